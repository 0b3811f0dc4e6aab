package page_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"patchbay/examples/page"
)

// The examples that have pages, with their scripts.
func scripts() map[string]string {
	return map[string]string{"presence": "/presence.js", "notifications": "/notifications.js", "paint": "/paint.js", "chat/page": "/chat.js"}
}

func TestPages(t *testing.T) {
	for example, script := range scripts() {
		t.Run(example, func(t *testing.T) {
			handler := page.Handler(os.DirFS("../" + example))
			get := func(path string) string {
				t.Helper()
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
				if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
					t.Errorf("%s: %d, policy %q", path, w.Code, w.Header().Get("Content-Security-Policy"))
				}
				return w.Body.String()
			}
			html, code := get("/"), get(script)+get("/wire.js")
			get("/look.css")
			// The scripts find elements by id: each id that is named must be there, once.
			for _, match := range regexp.MustCompile(`\$\("([a-z]+)"\)`).FindAllStringSubmatch(code, -1) {
				if n := strings.Count(html, `id="`+match[1]+`"`); n != 1 {
					t.Errorf("id %q: %d elements, want 1", match[1], n)
				}
			}
			for _, bad := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval(", ".style."} {
				if strings.Contains(code, bad) {
					t.Errorf("the script uses %s: text from strangers could become markup, or the policy forbids it", bad)
				}
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/main.go", nil))
			if w.Code == http.StatusOK {
				t.Error("served what is not in the directory static")
			}
		})
	}
}
