package chart

import (
	"os/exec"
	"path/filepath"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// What make release packs is a chart to Helm: whole, with the version of the release, and its NATS inside.
func TestPackage(t *testing.T) {
	out := t.TempDir()
	pack := exec.Command("go", "run", "./deploy/release", "-only", "chart", "-version", "1.2.3", "-revision", "abc", "-time", "1700000000", "-out", out)
	pack.Dir = "../../.."
	if output, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	c, err := loader.Load(filepath.Join(out, "patchbay-chart-1.2.3.tgz"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	source := load(t)
	if c.Metadata.Version != "1.2.3" || c.AppVersion() != "1.2.3" {
		t.Errorf("got version %s of %s", c.Metadata.Version, c.AppVersion())
	}
	files := 0
	for _, file := range source.Files {
		if file.Name != ".helmignore" {
			files++
		}
	}
	if len(c.Dependencies()) != 1 || len(c.Templates) != len(source.Templates) || len(c.Files) != files {
		t.Errorf("the package has %d dependencies, %d templates and %d files", len(c.Dependencies()), len(c.Templates), len(c.Files))
	}
}
