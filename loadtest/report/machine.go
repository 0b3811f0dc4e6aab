package report

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine says where a run took place, without its name.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	Memory      uint64 `json:"memory"` // bytes
	Kernel      string `json:"kernel"`
	Go          string `json:"go"`
	Descriptors uint64 `json:"descriptors"` // limit of a process
}

// ThisMachine looks at the machine it runs on. What cannot be found out stays empty.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	var uname unix.Utsname
	if unix.Uname(&uname) == nil {
		release, _, _ := bytes.Cut(uname.Release[:], []byte{0})
		m.Kernel = "Linux " + string(release)
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = info.Totalram * uint64(info.Unit)
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		m.Descriptors = limit.Cur
	}
	return m
}

// String is the machine in a line.
func (m Machine) String() string {
	return fmt.Sprintf("%d cores (%s), %.0f GiB, %s, %s, %d descriptors a process", m.Cores, m.CPU, float64(m.Memory)/(1<<30), m.Kernel, m.Go, m.Descriptors)
}
