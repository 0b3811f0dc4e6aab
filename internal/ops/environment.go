package ops

import (
	"strings"

	"github.com/alecthomas/kong"
)

// NameEnvironment gives every flag of a command line that has no variable yet its own, PATCHBAY_ and its name in
// capitals. It is for kong.PostBuild.
func NameEnvironment(k *kong.Kong) error {
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		flag, ok := node.(*kong.Flag)
		if ok && flag.Name != "help" && flag.Name != "version" && len(flag.Envs) == 0 {
			flag.Envs = []string{Variable(flag)}
			flag.Tag.Envs = flag.Envs
		}
		return next(nil)
	})
}

// Variable is the name of a flag's environment variable.
func Variable(flag *kong.Flag) string {
	return "PATCHBAY_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
}
