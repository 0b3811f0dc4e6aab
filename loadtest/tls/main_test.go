package main

import (
	"strings"
	"testing"
	"time"
)

// The table has a row for each arrangement, whatever order the rounds come in.
func TestTable(t *testing.T) {
	all := map[string][]figures{}
	for i, a := range arrangements() {
		for _, n := range []int{3, 1, 2} {
			all[a.title] = append(all[a.title], figures{cpu: time.Duration(n+i) * time.Millisecond, memory: float64(n * 1024)})
		}
	}
	got := table(settings{clients: 7, rounds: 3}, all)
	for i, a := range arrangements() {
		want := "| " + a.title + " | " + []string{"2.00 (1.00 to 3.00)", "3.00 (2.00 to 4.00)", "4.00 (3.00 to 5.00)", "5.00 (4.00 to 6.00)", "6.00 (5.00 to 7.00)"}[i] + " | 2.0 (1.0 to 3.0) |\n"
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
}

// A certificate of either kind is one that clients trust.
func TestCertify(t *testing.T) {
	for _, a := range []arrangement{{tls: true}, {tls: true, rsa: true}} {
		config, err := a.certify(t.TempDir())
		if err != nil || config.RootCAs == nil || config.ServerName == "" {
			t.Errorf("%+v: %+v, %v", a, config, err)
		}
	}
}
