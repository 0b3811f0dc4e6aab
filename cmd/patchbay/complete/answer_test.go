package complete_test

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"patchbay/cmd/patchbay/complete"
)

// grammar is a command line with every kind of part.
type grammar struct {
	Config string `type:"path" help:"A file."`
	Level  string `enum:"debug,info" default:"info" short:"l" help:"How much. And more."`
	Serve  struct {
		Dir    string   `placeholder:"DIR" help:"A directory."`
		Loud   bool     `negatable:"" help:"Speak."`
		Routes []string `help:"Routes."`
		Secret string   `hidden:"" help:"Not to be seen."`
	} `cmd:"" help:"Serve: it does."`
	Put struct {
		Run struct {
			Kind  string   `arg:"" enum:"big,small" help:"Kind."`
			Files []string `arg:"" optional:"" type:"existingfile" help:"Files."`
			Count int      `help:"How many."`
		} `cmd:"" default:"withargs" help:"Run it."`
		Sum  struct{} `cmd:"" help:"Sum."`
		Gone struct{} `cmd:"" hidden:"" help:"Not to be seen."`
	} `cmd:"" help:"Put."`
}

// Every word of a command line is completed from the definitions that parse it.
func TestWords(t *testing.T) {
	parser, err := kong.New(&grammar{}, kong.Name("program"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ line, want string }{
		{"", "serve put"},
		{"s", "serve"},
		{"serve ", ""},
		{"serve -", "--help --config --level --dir --loud --no-loud --routes"},
		{"serve --l", "--level --loud"},
		{"serve --dir ", ":dirs"},
		{"serve --dir=a", ":dirs"},
		{"serve --dir x --ro", "--routes"},
		{"serve --loud -l ", "debug info"},
		{"serve --loud --level d", "debug"},
		{"serve --level=i", "--level=info"},
		{"--config ", ":files"},
		{"--config file --level info ser", "serve"},
		{"serve --loud=", ""},
		{"serve --none ", ""},
		{"put ", "run sum big small"},
		{"put s", "sum small"},
		{"put --c", "--config --count"},
		{"put big ", ":files"},
		{"put run ", "big small"},
		{"put run big a b ", ":files"},
		{"put run big --count 3 --l", "--level"},
		{"put sum ", ""},
		{"put -- -", ""},
	} {
		var text strings.Builder
		if err := complete.Words(parser.Model.Node, strings.Split(c.line, " ")).Write(&text); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n") {
			word, _, _ := strings.Cut(line, "\t")
			got = append(got, word)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: got %q, want %q", c.line, got, c.want)
		}
	}
	if a := complete.Words(parser.Model.Node, nil); len(a.Candidates) != 2 {
		t.Errorf("no words at all: got %+v, want the subcommands", a)
	}
}

// What a candidate means is one short sentence, on its line.
func TestMeanings(t *testing.T) {
	parser, err := kong.New(&grammar{}, kong.Name("program"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := complete.Words(parser.Model.Node, []string{"serve", "--le"}).Write(&text); err != nil {
		t.Fatal(err)
	}
	if text.String() != "--level\tHow much\n" {
		t.Errorf("got %q", text.String())
	}
}

func TestScript(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script, err := complete.Script(shell)
		if err != nil || !strings.Contains(script, complete.Command) {
			t.Errorf("%s: %v, and the script asks for nothing", shell, err)
		}
	}
	if _, err := complete.Script("csh"); err == nil {
		t.Error("a script for a shell that there is none for")
	}
}
