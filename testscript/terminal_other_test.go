//go:build !linux

package testscript

import "github.com/rogpeppe/go-internal/testscript"

// terminal is for Linux alone: scripts ask for [linux] first.
func terminal(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("no terminals here") }
