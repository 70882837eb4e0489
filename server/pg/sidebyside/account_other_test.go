//go:build !unix

package sidebyside_test

import "syscall"

func ordinary() *syscall.SysProcAttr { return nil }
