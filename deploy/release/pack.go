package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// pack writes a compressed archive. Its bytes depend on what is added and on the time of the source alone.
func (r *release) pack(name string, add func(*tar.Writer) error) error {
	var b bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(compressed)
	if err := errors.Join(add(w), w.Close(), compressed.Close()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, name), b.Bytes(), 0o644)
}

// add writes one file, which belongs to root and is as old as the source.
func (r *release) add(w *tar.Writer, name string, text []byte, mode int64) error {
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: mode, ModTime: r.made, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err := w.Write(text)
	return err
}

func (r *release) addFile(w *tar.Writer, name, from string, mode int64) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return r.add(w, name, text, mode)
}

const chartSource = "deploy/helm/patchbay"

var versionLine = regexp.MustCompile(`(?m)^(version|appVersion): .*$`)

// chart packs the chart as helm package does, with this release's version. What is a symbolic link in the tree is a
// file in the package.
func (r *release) chart() error {
	return r.pack("patchbay-chart-"+r.version+".tgz", func(w *tar.Writer) error {
		return filepath.WalkDir(chartSource, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() == ".helmignore" {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			inside := strings.TrimPrefix(filepath.ToSlash(name), path.Dir(chartSource)+"/")
			if inside == "patchbay/Chart.yaml" {
				if text = versionLine.ReplaceAll(text, []byte("$1: "+r.version)); len(versionLine.FindAll(text, -1)) != 2 {
					return fmt.Errorf("%s has no version and appVersion", name)
				}
			}
			return r.add(w, inside, text, 0o644)
		})
	})
}
