package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// versions are those of what is compared with, as far as they can be found out.
func versions(ctx context.Context, s settings) []string {
	var list []string
	for _, command := range [][]string{{"node", "--version"}, {"redis-server", "--version"}} {
		if output, err := exec.CommandContext(ctx, command[0], command[1:]...).Output(); err == nil {
			number := regexp.MustCompile(`[0-9]+\.[0-9]+\.[0-9]+`).FindString(string(output))
			list = append(list, strings.TrimSuffix(command[0], "-server")+" "+number)
		}
	}
	var packages struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if text, err := os.ReadFile(filepath.Join(s.root, "loadtest/peers/node/package.json")); err == nil && json.Unmarshal(text, &packages) == nil {
		for _, name := range []string{"socket.io", "@socket.io/redis-adapter"} {
			list = append(list, name+" "+packages.Dependencies[name])
		}
	}
	if text, err := os.ReadFile(filepath.Join(s.root, "loadtest/peers/zishang/go.mod")); err == nil {
		if m := regexp.MustCompile(`zishang520/socket.io/servers/socket/v3 v([0-9.]+)`).FindSubmatch(text); m != nil {
			list = append(list, "zishang520/socket.io "+string(m[1]))
		}
	}
	return list
}
