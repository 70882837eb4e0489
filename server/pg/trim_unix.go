//go:build unix

package pg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Offsets in pg_control, the same in versions 15 to 18: the location of the last checkpoint's redo point and its
// timeline, and the state of the cluster.
const (
	controlState    = 16
	controlRedo     = 40
	controlTimeline = 48
	stateShutDown   = 1
)

// trimFiles removes from a cleanly stopped data directory what its next start makes anew: write-ahead log before and
// after the last checkpoint, statistics, logs. The configuration becomes ours.
func trimFiles(data string) error {
	control, err := os.ReadFile(filepath.Join(data, "global", "pg_control"))
	if err != nil {
		return err
	}
	keep, err := walSegment(control)
	if err != nil {
		return err
	}
	if err := clearWAL(filepath.Join(data, "pg_wal", keep), control); err != nil {
		return err
	}
	wal, err := os.ReadDir(filepath.Join(data, "pg_wal"))
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range wal {
		if e.Name() != keep && !e.IsDir() {
			errs = append(errs, os.Remove(filepath.Join(data, "pg_wal", e.Name())))
		}
	}
	stats, err := filepath.Glob(filepath.Join(data, "pg_stat", "*"))
	if err != nil {
		return err
	}
	inits, err := filepath.Glob(filepath.Join(data, "base", "*", "pg_internal.init"))
	if err != nil {
		return err
	}
	// free space maps only hint at room in tables that are packed anyway; vacuum makes them anew
	maps, err := filepath.Glob(filepath.Join(data, "base", "5", "*_fsm"))
	if err != nil {
		return err
	}
	for _, name := range append(slices.Concat(stats, inits, maps), filepath.Join(data, "global", "pg_internal.init"), filepath.Join(data, "postmaster.opts")) {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	errs = append(errs,
		os.RemoveAll(filepath.Join(data, filepath.FromSlash(template0Dir))),
		os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hostRules), 0o600),
		os.WriteFile(filepath.Join(data, "postgresql.conf"), []byte(serverConf), 0o600))
	return errors.Join(errs...)
}

const (
	walSegmentSize = 1 << 20 // see initdbFlags
	walPageSize    = 8 << 10
)

// clearWAL zeroes what follows the page with the last checkpoint's record and the next one, as in a fresh segment: it is
// left from earlier use.
func clearWAL(path string, control []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the write-ahead log of the template lacks the segment of its last checkpoint: %w", err)
	}
	defer f.Close()
	redo := int64(binary.NativeEndian.Uint64(control[controlRedo:]) % walSegmentSize)
	if from := (redo/walPageSize + 2) * walPageSize; from < walSegmentSize {
		if _, err := f.WriteAt(make([]byte, walSegmentSize-from), from); err != nil {
			return err
		}
	}
	return f.Close()
}

// walSegment names the segment that holds the last checkpoint's redo point.
func walSegment(control []byte) (string, error) {
	if len(control) < controlTimeline+4 {
		return "", errors.New("pg_control is cut off")
	}
	if state := binary.NativeEndian.Uint32(control[controlState:]); state != stateShutDown {
		return "", fmt.Errorf("the template's cluster was not shut down cleanly (state %d)", state)
	}
	redo := binary.NativeEndian.Uint64(control[controlRedo:])
	timeline := binary.NativeEndian.Uint32(control[controlTimeline:])
	const perID = 1 << 32 / walSegmentSize
	n := redo / walSegmentSize
	return fmt.Sprintf("%08X%08X%08X", timeline, n/perID, n%perID), nil
}

// dataVersion reads the major version of a data directory; "" when there is none.
func dataVersion(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}
