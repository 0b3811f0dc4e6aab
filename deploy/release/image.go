package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"
)

// configuration is an image's, in the format that Docker and OCI share.
type configuration struct {
	Created      time.Time `json:"created"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Config       settings  `json:"config"`
	RootFS       layers    `json:"rootfs"`
}

// settings say how an image is run. deploy/Dockerfile says the same; a test compares them.
type settings struct {
	User         string              `json:"User"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	Env          []string            `json:"Env"`
	Entrypoint   []string            `json:"Entrypoint"`
	Labels       map[string]string   `json:"Labels"`
}

type layers struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// manifest is one image of an archive, as docker load reads it.
type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// settingsOf are those of a program's image.
func (r *release) settingsOf(program string) settings {
	s := settings{
		User:       "65532:65532",
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Entrypoint: []string{"/" + program},
		Labels: map[string]string{
			"org.opencontainers.image.title":    imageName(program),
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.revision": r.revision,
		},
	}
	ports := []string{"8080/tcp", "9101/tcp", "9201/tcp"}
	if program == "chat" {
		ports = []string{"9301/tcp"}
		s.Env = append(s.Env, "PATCHBAY_INTERNAL=:9301")
	}
	s.ExposedPorts = map[string]struct{}{}
	for _, port := range ports {
		s.ExposedPorts[port] = struct{}{}
	}
	return s
}

func imageName(program string) string {
	if program == "patchbay" {
		return program
	}
	return "patchbay-" + program
}

// image writes an archive for docker load: the same image as deploy/Dockerfile's, but made without an engine, and so with the
// same bytes each time.
func (r *release) image(program, binary string, p platform) error {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := errors.Join(
		r.addFile(w, "etc/ssl/certs/ca-certificates.crt", r.authorities, 0o644),
		r.addFile(w, program, binary, 0o755),
		w.Close(),
	); err != nil {
		return err
	}
	c := configuration{
		Created: r.made, Architecture: p.arch, OS: p.os, Config: r.settingsOf(program),
		RootFS: layers{"layers", []string{"sha256:" + digest(layer.Bytes())}},
	}
	config, err := json.Marshal(c)
	if err != nil {
		return err
	}
	name := imageName(program)
	list, err := json.Marshal([]manifest{{digest(config) + ".json", []string{name + ":" + r.version}, []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	return r.pack(filepath.Base(name)+"-image-"+r.version+"-"+p.os+"-"+p.arch+".tar.gz", func(w *tar.Writer) error {
		return errors.Join(
			r.add(w, digest(config)+".json", config, 0o644),
			r.add(w, "layer.tar", layer.Bytes(), 0o644),
			r.add(w, "manifest.json", list, 0o644),
		)
	})
}
