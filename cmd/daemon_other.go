//go:build !unix

package cmd

import (
	"errors"
	"os"
	"os/exec"
)

// detach leaves the command as it is.
func detach(*exec.Cmd) {}

func closeOutput() error { return os.Stdout.Close() }

func ignoreBrokenPipe() {}

func reopenLog(string) error { return errors.New("the log's file cannot be opened anew here") }
