package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What a gateway wants of its machine.
const (
	wantDescriptors = 65_536
	leastDescriptor = 4_096
	wantBacklog     = 4_096
	wantPorts       = 20_000
	leastSecret     = 16 // bytes
)

// Machine looks at the kernel's limits. proc is where /proc is.
func Machine(proc string) []Finding {
	return []Finding{descriptors(), backlog(proc), ports(proc), clock()}
}

func descriptors() Finding {
	f := Finding{What: "descriptors"}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		f.Verdict, f.Found = Warning, "cannot be read: "+err.Error()
		return f
	}
	f.Found = fmt.Sprintf("%d: as many connections, less some for NATS and files", limit.Cur)
	if limit.Cur < wantDescriptors {
		f.Verdict = Warning
		f.Remedy = fmt.Sprintf("ulimit -n %d, or LimitNOFILE=%d in the systemd unit", wantDescriptors, wantDescriptors)
	}
	if limit.Cur < leastDescriptor {
		f.Verdict = Wrong
	}
	return f
}

func backlog(proc string) Finding {
	f := Finding{What: "somaxconn"}
	n, err := number(filepath.Join(proc, "sys/net/core/somaxconn"))
	if err != nil {
		f.Verdict, f.Found = Warning, "cannot be read: "+err.Error()
		return f
	}
	f.Found = fmt.Sprintf("%d connections may wait to be accepted", n)
	if n < wantBacklog {
		f.Verdict, f.Remedy = Warning, fmt.Sprintf("sysctl -w net.core.somaxconn=%d", wantBacklog)
	}
	return f
}

func ports(proc string) Finding {
	f := Finding{What: "port range"}
	data, err := os.ReadFile(filepath.Join(proc, "sys/net/ipv4/ip_local_port_range"))
	var first, last int
	if err == nil {
		_, err = fmt.Sscan(string(data), &first, &last)
	}
	if err != nil {
		f.Verdict, f.Found = Warning, "cannot be read: "+err.Error()
		return f
	}
	f.Found = fmt.Sprintf("%d to %d: what a balancer on this machine can open to one address", first, last)
	if last-first < wantPorts {
		f.Verdict, f.Remedy = Warning, `sysctl -w net.ipv4.ip_local_port_range="1024 65000"`
	}
	return f
}

// clock asks the kernel whether anything keeps its clock right. Tokens end, and logs are compared, by it.
func clock() Finding {
	f := Finding{What: "clock"}
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		f.Verdict, f.Found = Warning, "cannot be read: "+err.Error()
	case state == unix.TIME_ERROR:
		f.Verdict, f.Found = Warning, "the kernel says that nothing keeps it right"
		f.Remedy = "run chrony or systemd-timesyncd (on a container's host: there)"
	default:
		f.Found = fmt.Sprintf("kept right, within %v", time.Duration(t.Maxerror)*time.Microsecond)
	}
	return f
}

func number(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read limit: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, fmt.Errorf("read limit: %w", err)
	}
	return n, nil
}

// Secret looks at the cluster secret.
func Secret(secret string) Finding {
	f := Finding{What: "cluster secret", Found: fmt.Sprintf("%d bytes", len(secret))}
	switch {
	case secret == "":
		f.Verdict, f.Found = Warning, "none: sessions cannot move between gateways, and end with this one"
	case len(secret) < leastSecret || strings.Contains(secret, "change"):
		f.Verdict, f.Found = Wrong, "short enough to be guessed: whoever does can forge session ids"
	default:
		return f
	}
	f.Remedy = `PATCHBAY_SECRET="$(head -c 32 /dev/urandom | base64)", the same on every gateway`
	return f
}
