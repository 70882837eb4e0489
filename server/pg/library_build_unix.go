//go:build unix

package pg

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// startWithLibrary makes and starts the cluster through embedded-postgres. The library passes neither flags to initdb nor
// an environment, so it is given a directory of binaries whose initdb and pg_ctl are scripts of two lines that do.
func (b *builder) startWithLibrary(ctx context.Context) error {
	if b.acct.mode == asMapped {
		return errors.New("the library cannot enter a user namespace")
	}
	if strings.ContainsAny(b.dir.path, "\"$`\\") {
		return errors.New("the library quotes paths for a shell wrongly")
	}
	shim, err := b.makeShim()
	if err != nil {
		return err
	}
	rules := filepath.Join(b.dir.path, "pg_hba.conf")
	if err := os.WriteFile(rules, []byte(hostRules), 0o644); err != nil {
		return errors.Join(err, shim.remove())
	}
	params := map[string]string{
		"hba_file": rules, "unix_socket_directories": b.dir.path, "listen_addresses": "localhost",
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off", "jit": "off",
		"max_connections": "30", "dynamic_shared_memory_type": "mmap", "wal_level": "logical", "logging_collector": "off",
		"max_worker_processes": "0", "max_parallel_workers": "0", "max_logical_replication_workers": "0", "max_wal_size": "64MB", "min_wal_size": "2MB",
	}
	thread := newAccountThread(b.acct)
	var logs []string
	var last error
	for range 5 {
		port := freeTCPPort()
		var out bytes.Buffer
		db := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
			Version(embeddedpostgres.PostgresVersion(b.bin.Version)).
			Username(superuser).Password(rand.Text()).Database("postgres").
			Port(port).
			BinariesPath(shim.path).
			RuntimePath(filepath.Join(b.dir.path, "runtime")).
			DataPath(b.dataDir()).
			StartParameters(params).
			StartTimeout(startLimit).
			Logger(&out))
		made, err := withNewLogs(func() error { return thread.do(db.Start) })
		logs = append(logs, made...)
		if err == nil {
			b.port = int(port)
			b.stop = func() error {
				defer thread.close()
				err := thread.do(db.Stop)
				removeAll(logs)
				return errors.Join(err, shim.remove())
			}
			if err := ctx.Err(); err != nil {
				return errors.Join(err, b.stop())
			}
			return nil
		}
		last = err
		if text := err.Error() + out.String(); !strings.Contains(text, "already listening") && !strings.Contains(text, "could not bind") {
			break
		}
	}
	thread.close()
	removeAll(logs)
	return errors.Join(last, shim.remove())
}

var libraryStart sync.Mutex

// withNewLogs returns the log files that appear in the temporary directory while the library starts: it never removes
// them. One start at a time, so that each one's files are known.
func withNewLogs(start func() error) ([]string, error) {
	libraryStart.Lock()
	defer libraryStart.Unlock()
	before := libraryLogs()
	err := start()
	var made []string
	for _, name := range libraryLogs() {
		if !slices.Contains(before, name) && openHere(name) {
			made = append(made, name)
		}
	}
	return made, err
}

func removeAll(names []string) {
	for _, name := range names {
		_ = os.Remove(name) // a log left behind harms nobody
	}
}

// makeShim writes the scripts into a run directory on disk: memory is often mounted without the right to execute.
func (b *builder) makeShim() (*runDir, error) {
	base, err := diskBase(b.acct)
	if err != nil {
		return nil, err
	}
	dir, err := newRunDir(base, b.acct)
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(dir.path, "bin")
	err = os.Mkdir(bin, 0o755)
	flags := " " + strings.Join(initdbFlags(b.bin.Major), " ")
	for name, more := range map[string]string{"initdb": flags, "pg_ctl": ""} {
		var env strings.Builder
		for _, kv := range childEnviron() {
			env.WriteString(" " + shellQuote(kv))
		}
		script := fmt.Sprintf("#!/bin/sh\nexec env -i%s %s \"$@\"%s\n", env.String(), shellQuote(filepath.Join(b.bin.BinDir, name)), more)
		err = errors.Join(err, os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755))
	}
	if err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	return dir, nil
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
