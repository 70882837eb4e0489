package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

// tailBlock is how much of a log is read at once, from its end backward.
const tailBlock = 64 << 10

// lastLines finds where the last n lines of a file begin, not before from, and where the file ends.
func lastLines(f *os.File, from int64, n int) (begin, end int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	end = info.Size()
	if n == 0 || end <= from {
		return end, end, nil
	}
	block := make([]byte, tailBlock)
	for begin = end; begin > from; {
		size := min(begin-from, tailBlock)
		part := block[:size]
		if _, err := f.ReadAt(part, begin-size); err != nil {
			return 0, 0, err
		}
		for len(part) > 0 {
			at := bytes.LastIndexByte(part, '\n')
			if at < 0 {
				break
			}
			if begin-size+int64(at) != end-1 { // the one at the end begins no line
				if n--; n == 0 {
					return begin - size + int64(at) + 1, end, nil
				}
			}
			part = part[:at]
		}
		begin -= size
	}
	return from, end, nil
}

// showTail writes the last n lines of a file and returns where it ended.
func showTail(out io.Writer, f *os.File, n int) (end int64, err error) {
	begin, end, err := lastLines(f, 0, n)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(out, io.NewSectionReader(f, begin, end-begin))
	return end, err
}

// tailOf is the last n lines of what was written to a file behind from.
func tailOf(path string, from int64, n int) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	begin, end, err := lastLines(f, from, n)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.NewSectionReader(f, begin, end-begin))
	return strings.TrimRight(string(text), "\n"), err
}

// followPause is how often a log that is followed is looked at.
const followPause = 100 * time.Millisecond

// follow writes what is appended to the file of that name, of which f was read up to at, until ctx is done or ended. It
// goes on in the file that takes the name over, and begins anew in one that was truncated.
func follow(ctx context.Context, out io.Writer, f *os.File, path string, at int64, ended func() bool) (err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	tick := time.NewTicker(followPause)
	defer tick.Stop()
	for {
		last := ended()
		current := stillNamed(f, path)
		if info, err := f.Stat(); err == nil && info.Size() < at {
			at = 0
		}
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return err
		}
		n, err := io.Copy(out, f) // all of it: who took the name over was looked for before
		at += n
		if err != nil {
			return err
		}
		if !current {
			if next, err := os.Open(path); err == nil {
				if err := f.Close(); err != nil {
					return err
				}
				f, at = next, 0
				continue
			}
		}
		if last {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// stillNamed reports whether path still is the file.
func stillNamed(f *os.File, path string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}
