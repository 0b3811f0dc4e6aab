package dashboard

import (
	"os"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Grafana's types take the dashboard with no field that they do not know.
func TestDashboard(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile("../../grafana/dashboards/patchbay.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard.Dashboard
	for what, err := range map[string]error{"decode": d.UnmarshalJSONStrict(text), "validate": d.Validate()} {
		if err != nil && err.Error() != "" { // an empty list of faults is an error's value, too
			t.Fatalf("%s: %v", what, err)
		}
	}
	if d.Uid == nil || *d.Uid != "patchbay" {
		t.Errorf("got uid %v, want patchbay: links name it", d.Uid)
	}
}
