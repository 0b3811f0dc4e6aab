package load

import "testing"

// The offset of an event is the last string, however the JSON is written.
func TestLastString(t *testing.T) {
	for payload, want := range map[string]string{
		`["msg","a","offset"]`:       "offset",
		"[\"msg\", \"offset\" ]\r\n": "offset",
		`["msg",7]`:                  "",
		`["msg","a\\"]`:              "",
		`["msg","a"`:                 "",
		`"]`:                         "",
	} {
		if got, ok := lastString([]byte(payload)); string(got) != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", payload, got, ok)
		}
	}
}
