// Command grafana stands in for Grafana where its image cannot be had. It reads the provisioning files from where Grafana reads them,
// and answers the parts of Grafana's HTTP interface by which a test can tell that data source and dashboards have
// arrived. It draws nothing.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

const provisioning = "/etc/grafana/provisioning"

type source struct {
	UID  string `yaml:"uid" json:"uid"`
	Type string `yaml:"type" json:"type"`
	URL  string `yaml:"url" json:"url"`
}

type dashboard struct {
	UID   string `json:"uid"`
	Title string `json:"title"`
	text  json.RawMessage
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	sources, err := readSources()
	if err != nil {
		return err
	}
	dashboards, err := readDashboards()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		// A peer that has gone needs no answer.
		_, _ = fmt.Fprintf(w, "grafana_stat_totals_dashboard %d\n", len(dashboards))
	})
	mux.HandleFunc("GET /api/search", func(w http.ResponseWriter, _ *http.Request) { answer(w, dashboards) })
	mux.HandleFunc("GET /api/dashboards/uid/{uid}", func(w http.ResponseWriter, r *http.Request) {
		for _, d := range dashboards {
			if d.UID == r.PathValue("uid") {
				answer(w, map[string]any{"dashboard": d.text})
				return
			}
		}
		http.NotFound(w, r)
	})
	for _, s := range sources {
		to, err := url.Parse(s.URL)
		if err != nil {
			return err
		}
		path := "/api/datasources/proxy/uid/" + s.UID
		mux.Handle("GET "+path+"/", http.StripPrefix(path, httputil.NewSingleHostReverseProxy(to)))
	}
	return http.ListenAndServe(":3000", mux)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		log.Print(err)
	}
}

func readSources() (all []source, err error) {
	err = each(provisioning+"/datasources/*.yml", func(text []byte) error {
		var file struct {
			Datasources []source `yaml:"datasources"`
		}
		err := yaml.Unmarshal(text, &file)
		all = append(all, file.Datasources...)
		return err
	})
	return all, err
}

func readDashboards() (all []dashboard, err error) {
	err = each(provisioning+"/dashboards/*.yml", func(text []byte) error {
		var file struct {
			Providers []struct {
				Options struct {
					Path string `yaml:"path"`
				} `yaml:"options"`
			} `yaml:"providers"`
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			return err
		}
		for _, p := range file.Providers {
			if err := each(p.Options.Path+"/*.json", func(text []byte) error {
				d := dashboard{text: text}
				err := json.Unmarshal(text, &d)
				all = append(all, d)
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// each reads the files of a pattern, of which there must be one at least.
func each(pattern string, read func([]byte) error) error {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.New("no file is " + pattern)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := read(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
