// Command suparust serves Supabase's APIs from one process with its own PostgreSQL.
package main

import (
	"os"

	"github.com/suparust/suparust/cmd"
)

func main() {
	os.Exit(cmd.Main(os.Args[1:], cmd.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Environ()))
}
