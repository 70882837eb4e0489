//go:build unix

package pg

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func portOpen(port int) bool {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// processesWith lists the processes whose command line mentions a path.
func processesWith(path string) []string {
	var found []string
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, l := range lines {
		b, err := os.ReadFile(l)
		if err == nil && strings.Contains(string(b), path) && !strings.Contains(l, "/"+strconv.Itoa(os.Getpid())+"/") {
			found = append(found, filepath.Dir(l)+" "+strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return found
}

// posixSegments lists the shared memory files that a process has mapped.
func posixSegments(pid int) []string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/maps")
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		if i := strings.Index(line, "/dev/shm/PostgreSQL."); i >= 0 {
			found = append(found, strings.TrimSpace(line[i:]))
		}
	}
	return found
}
