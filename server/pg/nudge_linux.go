package pg

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// nudgeAfter is how long a start may take before the process that recovers is nudged, and nudgeEvery how often.
const (
	nudgeAfter = 12 * time.Millisecond
	nudgeEvery = 4 * time.Millisecond
)

// nudge shortens a sleep. At the end of a recovery PostgreSQL's startup process asks the checkpointer for a checkpoint;
// where that one is not quite up yet, it sleeps for a tenth of a second and asks again, although its first request has
// been seen meanwhile. A signal that has it read its configuration ends the sleep.
func (s *server) nudge() {
	children, err := childrenOf(s.pid)
	if err != nil {
		return // it goes without
	}
	for _, pid := range children {
		nudgeStartup(pid)
	}
}

func nudgeStartup(pid int) {
	fd, err := unix.PidfdOpen(pid, 0) // what is looked at is what is signalled
	if err != nil {
		return
	}
	defer unix.Close(fd)
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err == nil && bytes.Contains(line, []byte("postgres: startup")) {
		_ = unix.PidfdSendSignal(fd, unix.SIGHUP, nil, 0) // it has ended, or sleeps on
	}
}
