// Package cmd is the command line of suparust as a library, one file per command.
package cmd

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Stdio is where a command reads and writes.
type Stdio struct {
	In  io.Reader // what is typed; nil is nothing
	Out io.Writer // what was asked for
	Err io.Writer // logs, progress, errors
}

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitStopped = 3 // status: the server does not run
)

// commandLine is what the user types.
type commandLine struct {
	Profile string `help:"Serve the profile NAME: settings come from .env.NAME alone." placeholder:"NAME"`
	EnvFile string `help:"Read settings from FILE instead of .env." placeholder:"FILE"`

	Start      startCommand      `cmd:"" help:"Run the server, in the foreground until Ctrl-C or in the background with --daemon."`
	Stop       stopCommand       `cmd:"" help:"Stop the server of this folder and wait until it has ended."`
	Restart    restartCommand    `cmd:"" help:"Stop the server of this folder and start it again with the same flags."`
	Status     statusCommand     `cmd:"" help:"Show whether the server of this folder runs, its URLs and its keys."`
	Logs       logsCommand       `cmd:"" help:"Show the log of the server in the background."`
	Exec       execCommand       `cmd:"" help:"Run a command against a backend of its own, which ends with it."`
	Keys       keysCommand       `cmd:"" help:"Show or replace the keys, or sign a token."`
	DB         dbCommand         `cmd:"" name:"db" help:"Work on the database: url, psql, dump, reset, push."`
	Snapshot   snapshotCommand   `cmd:"" help:"Save and bring back the database and the files: save, restore, list, delete."`
	Prefetch   prefetchCommand   `cmd:"" help:"Fetch PostgreSQL and prepare the database template ahead of the first start."`
	Env        envCommand        `cmd:"" help:"Write environment files, and print the environment of clients."`
	Doctor     doctorCommand     `cmd:"" help:"Look whether everything is there that a server needs, and say what to do."`
	Completion completionCommand `cmd:"" help:"Print the script that lets a shell complete commands and flags."`
	Complete   completeCommand   `cmd:"" name:"__complete" hidden:"" passthrough:"" help:"Print what could stand at the end of a line."`
	Version    versionCommand    `cmd:"" help:"Show the versions of suparust and of its parts."`
}

// app is what every command works with.
type app struct {
	Stdio
	args    []string // as typed
	environ []string
	id      identity
}

// usageError is the user's mistake in what was typed or set.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// exitStatus ends a command with a code of its own and without a message.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

const description = "Supabase's REST, Auth and Storage APIs in one binary with its own PostgreSQL."

const rootHelp = description + `

Examples:

    suparust start                       serve this folder
    suparust start --port 4000           on another port
    suparust start --daemon              in the background
    suparust start --profile test        with the settings of .env.test
    suparust status                      URLs and keys
    suparust exec -- npm test            tests against a backend of their own
    suparust db reset                    all migrations and seeds anew
    suparust doctor                      what is missing, and what to do
    suparust logs --follow
    suparust stop
`

// Main runs the command line args (without the program's name) in the environment environ, NAME=value each, and returns
// the exit code.
func Main(args []string, stdio Stdio, environ []string) int {
	err := run(args, stdio, environ)
	var status exitStatus
	var usage usageError
	var parse *kong.ParseError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &parse):
		fmt.Fprintf(stdio.Err, "suparust: %s\nRun `suparust%s --help` for the commands and their flags.\n", explain(parse), commandPath(parse.Context))
		return exitUsage
	}
	fmt.Fprintf(stdio.Err, "suparust: %s\n", strings.TrimRight(err.Error(), "\n"))
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

// exited unwinds kong after it printed the help.
type exited struct{ code int }

// newParser makes the parser that fills line, whose model is what the help, the documentation and the completion show.
func newParser(line *commandLine, stdio Stdio) (*kong.Kong, error) {
	parser, err := kong.New(line,
		kong.Name("suparust"),
		kong.Description(rootHelp),
		kong.Writers(stdio.Out, stdio.Err),
		kong.Exit(func(code int) { panic(exited{code}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		return nil, fmt.Errorf("build the command line: %w", err)
	}
	return parser, nil
}

func run(args []string, stdio Stdio, environ []string) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exited:
			if r.code != exitOK {
				err = exitStatus(r.code)
			}
		default:
			panic(r)
		}
	}()
	var line commandLine
	parser, err := newParser(&line, stdio)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		return err
	}
	id, err := newIdentity(line.Profile, line.EnvFile)
	if err != nil {
		return err
	}
	return command.Run(&app{Stdio: stdio, args: args, environ: environ, id: id})
}
