package pg

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// childrenOf lists the children of a process.
func childrenOf(pid int) ([]int, error) {
	id := strconv.Itoa(pid)
	b, err := os.ReadFile("/proc/" + id + "/task/" + id + "/children")
	if errors.Is(err, fs.ErrNotExist) {
		return childrenByScan(pid) // the process is gone, or the kernel keeps no such list
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for f := range strings.FieldsSeq(string(b)) {
		child, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		pids = append(pids, child)
	}
	return pids, nil
}

func childrenByScan(parent int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, ppid, err := processState(pid); err == nil && ppid == parent {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// backendsIn lists the processes of a server, but for its postmaster, whose data directory that is.
func backendsIn(dataDir string) []int {
	resolved, err := filepath.EvalSymlinks(dataDir)
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		proc := "/proc/" + e.Name()
		if cwd, err := os.Readlink(proc + "/cwd"); err != nil || cwd != resolved {
			continue
		}
		if title, err := os.ReadFile(proc + "/cmdline"); err == nil && bytes.HasPrefix(title, []byte("postgres: ")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// standsStill tells whether a process is stopped or has ended.
func standsStill(pid int) (bool, error) {
	state, _, err := processState(pid)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return true, nil
	}
	return strings.ContainsRune("TtZXx", rune(state)), err
}

// processState reads the state and the parent of a process: the fields behind its name, which may hold anything.
func processState(pid int) (state byte, parent int, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, errors.New("the state of process " + strconv.Itoa(pid) + " cannot be read")
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return fields[0][0], parent, err
}
