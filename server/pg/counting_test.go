//go:build unix

package pg

import (
	"net"
	"os"
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
