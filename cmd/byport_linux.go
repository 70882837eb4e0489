package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listener finds the process of this user that listens on a TCP port of any address; nil when there is none.
func listener(port int) (*process, error) {
	sockets, err := listeningSockets(port)
	if err != nil || len(sockets) == 0 {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", entry.Name())
		fds, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			continue // it has ended, or is another user's
		}
		p, found := process{pid: pid}, false
		for _, fd := range fds {
			target, err := os.Readlink(filepath.Join(dir, "fd", fd.Name()))
			if err != nil {
				continue
			}
			found = found || sockets[target]
			if strings.HasPrefix(target, "/") {
				p.files = append(p.files, strings.TrimSuffix(target, " (deleted)"))
			}
		}
		if !found {
			continue
		}
		program, err := os.Readlink(filepath.Join(dir, "exe"))
		if err != nil {
			continue
		}
		p.program = strings.TrimSuffix(filepath.Base(program), " (deleted)") // it was replaced by a newer one
		return &p, nil
	}
	return nil, nil
}

// listeningSockets are this user's sockets that listen on port, as they are named in the folders of open files.
func listeningSockets(port int) (map[string]bool, error) {
	const listening = "0A"
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != listening || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) || f[7] != strconv.Itoa(os.Geteuid()) {
				continue
			}
			sockets["socket:["+f[9]+"]"] = true
		}
	}
	return sockets, nil
}

// environOf is the environment that a process was started with.
func environOf(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil
	}
	var pairs []string
	for pair := range bytes.SplitSeq(data, []byte{0}) {
		if len(pair) > 0 {
			pairs = append(pairs, string(pair))
		}
	}
	return pairs
}

// lives reports whether a process runs; one that has ended and that nobody asked about yet does not.
func lives(pid int) bool {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return !errors.Is(err, fs.ErrNotExist)
}
