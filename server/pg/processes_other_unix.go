//go:build unix && !linux

package pg

import (
	"os/exec"
	"strconv"
	"strings"
)

// childrenOf lists the children of a process.
func childrenOf(pid int) ([]int, error) {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, err
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 2 || f[1] != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(f[0])
		if err != nil {
			return nil, err
		}
		pids = append(pids, child)
	}
	return pids, nil
}

// standsStill tells whether a process is stopped or has ended.
func standsStill(pid int) (bool, error) {
	out, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	state := strings.TrimSpace(string(out))
	if state == "" {
		return true, nil // ps knows no such process
	}
	return state[0] == 'T' || state[0] == 'Z', err
}

// backendsIn lists nothing: the system does not tell where processes work.
func backendsIn(string) []int { return nil }
