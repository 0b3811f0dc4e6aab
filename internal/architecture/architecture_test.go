package architecture_test

import (
	"slices"
	"strings"
	"testing"

	"patchbay/internal/architecture"
)

func TestTree(t *testing.T) {
	sources, err := architecture.Load("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 20 {
		t.Fatalf("only %d files: this is not the tree", len(sources))
	}
	for _, source := range sources {
		for _, fault := range architecture.Check(source) {
			t.Error(fault)
		}
	}
}

// Each rule must see what it is there to see, and keep quiet about what is allowed.
func TestRules(t *testing.T) {
	long := strings.Repeat("\tx()\n", 70)
	for _, c := range []struct {
		name, path, text string
		want             []string // the rules broken
	}{
		{"gateway may import backplane", "gateway/a.go", `import "patchbay/backplane"`, nil},
		{"gateway must not import router", "gateway/a.go", `import "patchbay/router"`, []string{"import"}},
		{"nor in a test", "gateway/a_test.go", `import "patchbay/worker"`, []string{"import"}},
		{"backplane must not import gateway", "backplane/a.go", `import "patchbay/gateway"`, []string{"import"}},
		{"backplane imports NATS", "backplane/a.go", `import "github.com/nats-io/nats.go"`, nil},
		{"worker does not", "worker/a.go", `import "github.com/nats-io/nats.go"`, []string{"import"}},
		{"protocol is pure", "protocol/p/a.go", `import "github.com/gobwas/ws"`, []string{"import"}},
		{"protocol has no I/O", "protocol/p/a.go", `import "net"`, []string{"import"}},
		{"cmd may import examples", "cmd/p/a.go", `import "patchbay/examples/chat"`, nil},
		{"examples must not import cmd", "examples/a/a.go", `import "patchbay/cmd/patchbay"`, []string{"import"}},

		{"bare go", "gateway/a.go", "func f() {\n\tgo f()\n}", []string{"goroutine"}},
		{"waived go", "gateway/a.go", "func f() {\n\t//patchbay:goroutine f ends it\n\tgo f()\n}", nil},
		{"waiver without reason", "gateway/a.go", "func f() {\n\t//patchbay:goroutine\n\tgo f()\n}", []string{"waiver"}},
		{"waiver too many", "gateway/a.go", "//patchbay:goroutine f ends it\nfunc f() {}", []string{"waiver"}},
		{"waiver of another rule", "gateway/a.go", "func f() {\n\t//patchbay:sleep f ends it\n\tgo f()\n}", []string{"goroutine", "waiver"}},
		{"wait group", "gateway/a.go", "func f(w *sync.WaitGroup) { w.Go(g) }", nil},

		{"sleep in a test", "gateway/a_test.go", "func f() { time.Sleep(1) }", []string{"sleep"}},
		{"sleep elsewhere", "gateway/a.go", "func f() { time.Sleep(1) }", nil},
		{"skip", "gateway/a_test.go", "func TestA(t *testing.T) { t.Skip() }", []string{"skip"}},
		{"skip with reason", "gateway/a_test.go", `func TestA(t *testing.T) { t.Skipf("no") }`, []string{"skip"}},
		{"init", "gateway/a.go", "func init() {}", []string{"init"}},
		{"method called init", "gateway/a.go", "func (a b) init() {}", nil},

		{"function without comment", "gateway/a.go", "func F() {}", []string{"comment"}},
		{"function with comment", "gateway/a.go", "// F is.\nfunc F() {}", nil},
		{"method of a private type", "gateway/a.go", "func (a *b) F() {}", nil},
		{"method of an exported type", "gateway/a.go", "func (a *B[T]) F() {}", []string{"comment"}},
		{"constants without comment", "gateway/a.go", "const (\n\tA = 1\n\tB = 2\n)", []string{"comment", "comment"}},
		{"constants with one", "gateway/a.go", "// All.\nconst (\n\tA = 1\n\tB = 2\n)", nil},
		{"constants with line comments", "gateway/a.go", "const (\n\tA = 1 // a\n\tB = 2 // b\n)", nil},
		{"type without comment", "gateway/a.go", "type A int", []string{"comment"}},

		{"long file", "gateway/a.go", strings.Repeat("\n", 501), []string{"file"}},
		{"long function", "gateway/a.go", "func f() {\n" + long + "}", []string{"function"}},
		{"waived long function", "gateway/a.go", "//patchbay:function a switch over packets\nfunc f() {\n" + long + "}", nil},
		{"too long a function", "gateway/a.go", "//patchbay:function no\nfunc f() {\n" + long + long + "}", []string{"function", "waiver"}},
		{"wide struct", "gateway/a.go", "type a struct{ a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p int }", []string{"struct"}},
		{"empty name", "gateway/util.go", "", []string{"name"}},
		{"empty package", "common/a.go", "", []string{"name"}},
		{"file name", "gateway/sessionStore.go", "", []string{"name"}},
		{"platform file", "gateway/poller_linux.go", "", nil},
		{"norace", "gateway/a.go", "//go:norace\nfunc f() {}", []string{"race"}},
	} {
		source, err := architecture.Parse(c.path, []byte("package p\n\n"+c.text+"\n"))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, fault := range architecture.Check(source) {
			got = append(got, fault.Rule)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got faults %v, want %v", c.name, got, c.want)
		}
	}
}
