//go:build unix

package pg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	wal, err := os.ReadDir(filepath.Join(data, "pg_wal"))
	if err != nil {
		return err
	}
	found := false
	var errs []error
	for _, e := range wal {
		if e.Name() == keep {
			found = true
		} else if !e.IsDir() {
			errs = append(errs, os.Remove(filepath.Join(data, "pg_wal", e.Name())))
		}
	}
	if !found {
		return fmt.Errorf("the write-ahead log of the template lacks %s, where its last checkpoint should be", keep)
	}
	stats, err := filepath.Glob(filepath.Join(data, "pg_stat", "*"))
	if err != nil {
		return err
	}
	inits, err := filepath.Glob(filepath.Join(data, "base", "*", "pg_internal.init"))
	if err != nil {
		return err
	}
	for _, name := range append(append(stats, inits...), filepath.Join(data, "global", "pg_internal.init"), filepath.Join(data, "postmaster.opts")) {
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

// walSegment names the segment that holds the last checkpoint's redo point. Segments are 1 MB, see initdbFlags.
func walSegment(control []byte) (string, error) {
	if len(control) < controlTimeline+4 {
		return "", errors.New("pg_control is cut off")
	}
	if state := binary.NativeEndian.Uint32(control[controlState:]); state != stateShutDown {
		return "", fmt.Errorf("the template's cluster was not shut down cleanly (state %d)", state)
	}
	redo := binary.NativeEndian.Uint64(control[controlRedo:])
	timeline := binary.NativeEndian.Uint32(control[controlTimeline:])
	const segment = 1 << 20
	const perID = 1 << 32 / segment
	n := redo / segment
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
