package pg

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// logWindow bounds how much of a log is read to show its end.
const logWindow = 64 << 10

// openLog opens a file of a log. In a run directory whoever can have PostgreSQL execute programs can put anything: there
// it is no link to another file.
func openLog(path string, flags int) (*os.File, error) {
	if root := filepath.Dir(filepath.Dir(path)); strings.HasPrefix(filepath.Base(root), runPrefix) {
		flags |= noFollow
	}
	return os.OpenFile(path, flags, 0o600)
}

// readLogFrom returns the log from an offset on, at most its last 64 KiB.
func readLogFrom(path string, from int64) string {
	f, err := openLog(path, os.O_RDONLY)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size()-from > logWindow {
		from = info.Size() - logWindow
	}
	b, err := io.ReadAll(io.NewSectionReader(f, from, logWindow))
	if err != nil {
		return ""
	}
	return string(b)
}

// tailLines returns the last n lines of a log.
func tailLines(path string, n int) string {
	if n <= 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(readLogFrom(path, 0), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
