package worker_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTableOfMembers: each row of docs/socketio-api.md names tests, all of which exist, and says where it differs.
func TestTableOfMembers(t *testing.T) {
	text, err := os.ReadFile("../docs/socketio-api.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	rows, tests := 0, regexp.MustCompile("`([a-z0-9/_.]+(?:_test\\.go|\\.test\\.js)): ([^`]+)`")
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Socket.IO |") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		named := tests.FindAllStringSubmatch(line, -1)
		if len(cells) != 4 || len(named) == 0 || strings.Contains(strings.ToLower(line), "planned") {
			t.Errorf("%d cells, %d tests: %s", len(cells), len(named), line)
			continue
		}
		if len(tests.FindAllString(cells[2], -1)) != strings.Count(cells[2], ", `")+1 {
			t.Errorf("what shows it is not tests alone: %s", line)
		}
		for _, one := range named {
			path, name := one[1], one[2]
			if files[path] == "" {
				content, err := os.ReadFile("../" + path)
				if err != nil {
					t.Error(err)
				}
				files[path] = string(content)
			}
			declared := "func " + name + "("
			if strings.HasSuffix(path, ".js") {
				declared = `it("` + name + `"`
			}
			if !strings.Contains(files[path], declared) {
				t.Errorf("%s has no test %q", path, name)
			}
		}
	}
	if rows < 100 {
		t.Errorf("only %d rows: this is not the table", rows)
	}
}
