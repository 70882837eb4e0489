package cmd

import "testing"

func TestNearest(t *testing.T) {
	commands := []string{"start", "stop", "status", "restart", "logs", "exec", "db", "keys", "version"}
	for typed, want := range map[string]string{
		"strat": "start", "stpo": "stop", "statsu": "status", "log": "logs", "kyes": "keys", "vers": "version", "exce": "exec",
		"db1": "db", "": "", "x": "", "deploy": "", "functions": "", "rstart": "start",
	} {
		if got := nearest(typed, commands); got != want && !(typed == "rstart" && got == "restart") {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	if got := nearest("--prot", []string{"--port", "--profile", "--help"}); got != "--port" {
		t.Errorf("--prot: %q", got)
	}
}
