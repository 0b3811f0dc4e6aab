package main

import (
	"debug/buildinfo"
	"encoding/json"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// bill is a software bill of materials, CycloneDX 1.5: what is inside the binaries, from what Go's linker has written into them.
type bill struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// bill lists the modules of a platform's binaries, and which binary has which.
func (r *release) bill(binaries map[string]string) ([]byte, error) {
	whole := component{Type: "application", Ref: "patchbay", Name: "patchbay", Version: r.version}
	b := bill{Format: "CycloneDX", Spec: "1.5", Version: 1, Metadata: metadata{r.made.Format(time.RFC3339), whole}}
	modules := map[string]component{}
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		info, err := buildinfo.ReadFile(binaries[name])
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(binaries[name])
		if err != nil {
			return nil, err
		}
		file := component{Type: "file", Ref: "file:" + name, Name: name, Version: r.version, Hashes: []hash{{"SHA-256", digest(text)}}}
		b.Components = append(b.Components, file)
		has := dependency{Ref: file.Ref}
		for _, m := range append(info.Deps, &debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}) {
			if m.Replace != nil {
				m = m.Replace
			}
			purl := "pkg:golang/" + m.Path + "@" + m.Version
			modules[purl] = component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
			has.DependsOn = append(has.DependsOn, purl)
		}
		slices.Sort(has.DependsOn)
		b.Dependencies = append(b.Dependencies, has)
	}
	for _, purl := range slices.Sorted(maps.Keys(modules)) {
		b.Components = append(b.Components, modules[purl])
	}
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}
