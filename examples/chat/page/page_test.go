package page_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"patchbay/examples/chat/page"
)

func get(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	page.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestHandler(t *testing.T) {
	for path, kind := range map[string]string{"/": "text/html", "/chat.css": "text/css", "/chat.js": "text/javascript"} {
		w := get(path)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: got %d %q, want %s", path, w.Code, w.Header().Get("Content-Type"), kind)
		}
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: no content security policy", path)
		}
	}
	for _, path := range []string{"/page.go", "/nothing", "/../page.go"} {
		if code := get(path).Code; code == http.StatusOK {
			t.Errorf("%s: served, must not be", path)
		}
	}
}

// The script and the tests find elements by id: each id that the script names must be there, once.
func TestIDs(t *testing.T) {
	html, script := get("/").Body.String(), get("/chat.js").Body.String()
	for _, match := range regexp.MustCompile(`\$\("([a-z]+)"\)`).FindAllStringSubmatch(script, -1) {
		if n := strings.Count(html, `id="`+match[1]+`"`); n != 1 {
			t.Errorf("id %q: %d elements, want 1", match[1], n)
		}
	}
	for _, bad := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(script, bad) {
			t.Errorf("the script uses %s: text from strangers could become markup", bad)
		}
	}
}
