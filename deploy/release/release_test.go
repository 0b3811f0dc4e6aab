package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func newRelease(t *testing.T) *release {
	t.Helper()
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authorities, []byte("authorities"), 0o644); err != nil {
		t.Fatal(err)
	}
	return &release{out: t.TempDir(), version: "1.2.3", revision: "abc", made: time.Unix(1_700_000_000, 0).UTC(), authorities: authorities}
}

// unpack reads an archive of the release.
func unpack(t *testing.T, r *release, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.out, name))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return untar(t, r, plain)
}

func untar(t *testing.T, r *release, from io.Reader) map[string]string {
	t.Helper()
	files := map[string]string{}
	for archive := tar.NewReader(from); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(r.made) || header.Uid != 0 || header.Uname != "" {
			t.Errorf("%s is of %v and user %d %q", header.Name, header.ModTime, header.Uid, header.Uname)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(text)
	}
}

// The image is one that docker load takes, and is run as deploy/Dockerfile's is.
func TestImage(t *testing.T) {
	t.Chdir("../..")
	dockerfile, err := os.ReadFile("deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"patchbay", "chat"} {
		r := newRelease(t)
		if err := r.image(program, "README.md", platform{"linux", "arm64"}); err != nil {
			t.Fatal(err)
		}
		files := unpack(t, r, imageName(program)+"-image-1.2.3-linux-arm64.tar.gz")
		var list []manifest
		if err := json.Unmarshal([]byte(files["manifest.json"]), &list); err != nil || len(list) != 1 {
			t.Fatalf("manifest.json: %v, %d images", err, len(list))
		}
		var c configuration
		if err := json.Unmarshal([]byte(files[list[0].Config]), &c); err != nil {
			t.Fatal(err)
		}
		layer := files[list[0].Layers[0]]
		if c.Architecture != "arm64" || c.RootFS.DiffIDs[0] != "sha256:"+digest([]byte(layer)) || list[0].RepoTags[0] != imageName(program)+":1.2.3" {
			t.Errorf("%s: %+v of %+v", program, c, list)
		}
		inside := untar(t, r, strings.NewReader(layer))
		if inside["etc/ssl/certs/ca-certificates.crt"] != "authorities" || inside[program] == "" || len(inside) != 2 {
			t.Errorf("%s: the image has other files than the binary and the authorities: %d", program, len(inside))
		}
		compare(t, program, string(dockerfile), c.Config)
	}
}

// compare holds an image's settings against the Dockerfile's stage of that name and the one below it.
func compare(t *testing.T, program, dockerfile string, s settings) {
	t.Helper()
	stage := func(name string) string {
		_, rest, ok := strings.Cut(dockerfile, " AS "+name+"\n")
		if !ok {
			t.Fatalf("deploy/Dockerfile has no stage %s", name)
		}
		text, _, _ := strings.Cut(rest, "\nFROM ")
		return text
	}
	text := stage("base") + "\n" + stage(program)
	var ports []string
	for _, m := range regexp.MustCompile(`(?m)^EXPOSE (.*)$`).FindAllStringSubmatch(text, -1) {
		for port := range strings.FieldsSeq(m[1]) {
			ports = append(ports, port+"/tcp")
		}
	}
	var exposed []string
	for port := range s.ExposedPorts {
		exposed = append(exposed, port)
	}
	slices.Sort(exposed)
	if !slices.Equal(ports, exposed) {
		t.Errorf("%s: the Dockerfile exposes %v, the release %v", program, ports, exposed)
	}
	for _, want := range append(s.Env[1:], "USER "+s.User, `ENTRYPOINT ["`+s.Entrypoint[0]+`"]`, `org.opencontainers.image.title="`+s.Labels["org.opencontainers.image.title"]+`"`) {
		if !strings.Contains(text, want) {
			t.Errorf("%s: the Dockerfile has no %s", program, want)
		}
	}
}

func TestBill(t *testing.T) {
	r := newRelease(t)
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var texts [2][]byte
	for i := range texts {
		if texts[i], err = r.bill(map[string]string{"patchbay": own, "chat": own}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Error("two bills of the same binaries differ")
	}
	var b bill
	if err := json.Unmarshal(texts[0], &b); err != nil {
		t.Fatal(err)
	}
	if len(b.Dependencies) != 2 || b.Components[0].Hashes[0].Content == "" || !strings.Contains(string(texts[0]), "pkg:golang/std@1.") {
		t.Errorf("a bill without files, hashes or the standard library: %s", texts[0])
	}
}

func TestChart(t *testing.T) {
	t.Chdir("../..")
	r := newRelease(t)
	if err := r.chart(); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, r, "patchbay-chart-1.2.3.tgz")
	if !strings.Contains(files["patchbay/Chart.yaml"], "\nversion: 1.2.3\nappVersion: 1.2.3\n") {
		t.Errorf("Chart.yaml has another version: %s", files["patchbay/Chart.yaml"])
	}
	users, err := os.ReadFile("deploy/nats/users.conf")
	if err != nil {
		t.Fatal(err)
	}
	if files["patchbay/charts/nats/files/users.conf"] != string(users) {
		t.Error("the link to users.conf is not the file itself in the package")
	}
}

func TestChecksums(t *testing.T) {
	r := newRelease(t)
	for _, name := range []string{"b", "a"} {
		if err := os.WriteFile(filepath.Join(r.out, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.checksums(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(r.out, "SHA256SUMS"))
	if want := digest([]byte("a")) + "  a\n" + digest([]byte("b")) + "  b\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}
