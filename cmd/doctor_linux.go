package cmd

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// leastFiles is how many files a server and its PostgreSQL should be able to open.
const leastFiles = 1024

// limits looks at what the kernel allows: shared memory segments, of which each PostgreSQL takes one, and open files.
func (x *examination) limits() {
	used := -1
	if table, err := os.ReadFile("/proc/sysvipc/shm"); err == nil {
		used = bytes.Count(table, []byte("\n")) - 1
	}
	text, err := os.ReadFile("/proc/sys/kernel/shmmni")
	most, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
	switch {
	case err != nil || convErr != nil || used < 0:
		x.add("shared memory", doubtful, "mount /proc, so that it can be seen", "how many segments there are and may be cannot be seen")
	case used > most*9/10:
		x.add("shared memory", broken, "remove those that no process uses with ipcrm (see ipcs -m), or raise kernel.shmmni", "%d of %d segments are used, and each PostgreSQL needs one", used, most)
	default:
		x.add("shared memory", healthy, "", "%d of %d segments are used", used, most)
	}
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil && files.Cur < leastFiles {
		x.add("open files", doubtful, "raise it with ulimit -n 4096", "at most %d", files.Cur)
	}
}
