//go:build mutants

package handoff

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutantSeeds is how many worlds a mutant may survive.
const mutantSeeds = "20000"

// TestMutants plays the simulation with each rule broken, and expects it to fail: go test -tags mutants -run
// Mutants.
func TestMutants(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			source, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			original, err := filepath.Abs(m.file)
			if err != nil {
				t.Fatal(err)
			}
			changed, overlay := filepath.Join(dir, m.file), filepath.Join(dir, "overlay.json")
			plan, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(changed, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(overlay, plan, 0o600); err != nil {
				t.Fatal(err)
			}
			play := exec.Command("go", "test", "-count=1", "-vet=off", "-run=^TestSimulation$", "-overlay="+overlay, ".")
			play.Env = append(os.Environ(), seedsEnv+"="+mutantSeeds)
			out, err := play.CombinedOutput()
			switch {
			case err == nil:
				t.Errorf("nobody noticed:\n%s", out)
			case !strings.Contains(string(out), seedEnv+"="):
				t.Errorf("the mutant does not run:\n%s", out)
			default:
				t.Logf("%s", out)
			}
		})
	}
}
