package pg

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// pidFile is what a server writes into postmaster.pid.
type pidFile struct {
	pid    int
	port   int
	shmID  int // System V shared memory id, 0 when unknown
	status string

	socketDir string
}

var errNoPid = errors.New("postmaster.pid holds no process id")

func readPidFile(dataDir string) (pidFile, error) {
	b, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return pidFile{}, err
	}
	return parsePidFile(b)
}

// parsePidFile reads the lines of postmaster.pid: pid, data directory, start time, port, socket directory, listen
// address, "key id" of the shared memory, status. The file grows while the server starts, so later lines may be missing.
func parsePidFile(b []byte) (pidFile, error) {
	var pf pidFile
	lines := strings.Split(string(bytes.TrimRight(b, "\n")), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid == 0 {
		return pf, errNoPid
	}
	if pid < 0 { // a single-user server marks itself so
		pid = -pid
	}
	pf.pid = pid
	if len(lines) > 3 {
		pf.port, _ = strconv.Atoi(strings.TrimSpace(lines[3]))
	}
	if len(lines) > 4 {
		pf.socketDir = strings.TrimSpace(lines[4])
	}
	if len(lines) > 6 {
		if f := strings.Fields(lines[6]); len(f) == 2 {
			pf.shmID, _ = strconv.Atoi(f[1])
		}
	}
	if len(lines) > 7 {
		pf.status = strings.TrimSpace(lines[7])
	}
	return pf, nil
}
