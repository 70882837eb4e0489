// Package testscript runs the binary the way its users do: testdata/script/*.txtar are its behaviour, written as scripts.
package testscript

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/suparust/suparust/cmd"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"suparust": func() {
			os.Exit(cmd.Main(os.Args[1:], cmd.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Environ()))
		},
		"suparust-fetch": fetch,
	})
}

// hearSignals gives the scripts' programs the signals that this one ignores, as below nohup or behind an &, which they
// would ignore with it.
func hearSignals() {
	for _, sig := range []os.Signal{syscall.SIGHUP, os.Interrupt} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// TestScripts runs them all.
//
//covers:rest 241
func TestScripts(t *testing.T) {
	hearSignals()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds:                commands,
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Geteuid() == 0, nil
			case "pg_dump":
				return pgDumpMajor() != "", nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
	})
}
