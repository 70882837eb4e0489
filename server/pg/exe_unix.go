//go:build unix

package pg

func exe(name string) string { return name }
