//go:build unix

package pg

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

const noFollow = syscall.O_NOFOLLOW

// A statement that fails is logged, so clients can make a log grow. Beyond the limit its end moves to <log>.1 and it
// starts anew.
const (
	logLimit = 32 << 20
	logKept  = 1 << 20
	logCheck = 10 * time.Second
)

// capLog looks at the log now and then until the server ends.
func capLog(path string, exited <-chan struct{}) {
	tick := time.NewTicker(logCheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = cutLog(path, logLimit, logKept) // tried again at the next tick
		case <-exited:
			return
		}
	}
}

// cutLog shortens a log that is longer than the limit. The server appends, so it goes on at the new end.
func cutLog(path string, limit, kept int64) error {
	f, err := openLog(path, os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() <= limit {
		return err
	}
	old, err := openLog(path+".1", os.O_CREATE|os.O_WRONLY|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = io.Copy(old, io.NewSectionReader(f, info.Size()-kept, kept))
	return errors.Join(err, old.Close(), f.Truncate(0))
}
