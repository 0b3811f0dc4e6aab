// Command release makes what a release consists of, from the source tree in the working directory: for each platform an archive with the
// static binaries and an image, a software bill of materials, the chart's package, and the checksums of all. The same source, Go
// toolchain and version give the same bytes, wherever and whenever it runs.
package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// release is what is being made.
type release struct {
	out, version, revision string
	made                   time.Time // of the source, and of everything that is made of it
	authorities            string
}

// platform is what a binary runs on.
type platform struct{ os, arch string }

// programs are the binaries, and the packages that they are built from.
func programs() map[string]string {
	return map[string]string{"patchbay": "./cmd/patchbay", "chat": "./examples/chat"}
}

func main() {
	log.SetFlags(0)
	var r release
	flag.StringVar(&r.out, "out", "dist", "directory to write to; it must not exist, or be empty")
	flag.StringVar(&r.version, "version", "", "version to release: 1.2.3")
	flag.StringVar(&r.revision, "revision", "", "revision of the source")
	flag.StringVar(&r.authorities, "authorities", "/etc/ssl/certs/ca-certificates.crt", "PEM file of the public authorities, for the images")
	only := flag.String("only", "", "make this alone: chart")
	seconds := flag.Int64("time", 0, "time of the source, in seconds since 1970")
	flag.Parse()
	r.made = time.Unix(*seconds, 0).UTC()
	if r.version == "" || r.revision == "" || *seconds <= 0 {
		log.Fatal("release: give -version, -revision and -time")
	}
	run := r.run
	if *only == "chart" {
		run = r.chart
	}
	if err := run(); err != nil {
		log.Fatal("release: ", err)
	}
}

func (r *release) run() error {
	if entries, err := os.ReadDir(r.out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", r.out)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	build, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(build) }() // a rest in the temporary directory does no harm
	for _, p := range []platform{{"linux", "amd64"}, {"linux", "arm64"}} {
		if err := r.platform(filepath.Join(build, p.arch), p); err != nil {
			return fmt.Errorf("%s/%s: %w", p.os, p.arch, err)
		}
	}
	if err := r.chart(); err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	return r.checksums()
}

// platform makes everything for one platform.
func (r *release) platform(directory string, p platform) error {
	binaries := map[string]string{}
	for name, from := range programs() {
		binaries[name] = filepath.Join(directory, name)
		if err := r.build(binaries[name], from, p); err != nil {
			return err
		}
	}
	prefix := fmt.Sprintf("patchbay-%s-%s-%s", r.version, p.os, p.arch)
	if err := r.archive(prefix, binaries); err != nil {
		return err
	}
	bill, err := r.bill(binaries)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, prefix+".cdx.json"), bill, 0o644); err != nil {
		return err
	}
	for name, binary := range binaries {
		if err := r.image(name, binary, p); err != nil {
			return fmt.Errorf("image of %s: %w", name, err)
		}
	}
	return nil
}

// build compiles a program as deploy/Dockerfile does: static, without paths, identifiers or times of this machine.
func (r *release) build(binary, from string, p platform) error {
	command := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags",
		"-s -w -buildid= -X patchbay/internal/ops.version="+r.version+" -X patchbay/internal/ops.revision="+r.revision+
			" -X patchbay/internal/ops.date="+r.made.Format(time.RFC3339), "-o", binary, from)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFIPS140=off")
	command.Stderr = os.Stderr
	return command.Run()
}

// archive packs the binaries with what belongs to them.
func (r *release) archive(prefix string, binaries map[string]string) error {
	return r.pack(prefix+".tar.gz", func(w *tar.Writer) error {
		for _, name := range []string{"chat", "patchbay"} {
			if err := r.addFile(w, prefix+"/"+name, binaries[name], 0o755); err != nil {
				return err
			}
		}
		for _, name := range []string{"CHANGELOG.md", "README.md", "deploy/nats/cluster.conf", "deploy/nats/server.conf", "deploy/nats/tls.conf", "deploy/nats/users.conf"} {
			if err := r.addFile(w, prefix+"/"+name, name, 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}

// checksums are of all files, in the format of sha256sum.
func (r *release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var lines []string
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(r.out, entry.Name()))
		if err != nil {
			return err
		}
		lines = append(lines, digest(text)+"  "+entry.Name()+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
