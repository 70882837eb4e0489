package cmd

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/suparust/suparust/server/pg"
)

type envCommand struct {
	Client envClientCommand `cmd:"" help:"Print what clients find the running server with: its address and keys."`
	Test   envTestCommand   `cmd:"" help:"Write the environment files of two test servers, and those of their clients."`
}

// Help is shown by `suparust env --help`.
func (envCommand) Help() string {
	return `Examples:

    suparust env test
    suparust env client
`
}

type envTestCommand struct {
	Regen   bool   `help:"Replace the files that are there, with new keys, and remove the test servers' data and the cache of PostgreSQL and templates."`
	Port    int    `help:"Port of the first server; the second gets the one behind it." default:"53001" short:"p" placeholder:"PORT"`
	Workdir string `help:"Write into DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
}

// Help is shown by `suparust env test --help`.
func (envTestCommand) Help() string {
	return `Writes, readable for this user alone:

    .env.test                   a server on port 53001, with suparust's names: suparust start --profile test
    .env.supabase.test          one on port 53002, with Supabase's names: suparust start --profile supabase.test
    .env.test.client            what tests find the first with: SUPABASE_URL, its keys, DATABASE_URL
    .env.supabase.test.client   and the second

Both keep their data below data/ and can run at once. Files that are there stay: --regen replaces them.

Examples:

    suparust env test
    suparust env test --regen
    suparust env test --port 41000
`
}

// Run writes the files, all of them or none.
func (c envTestCommand) Run(a *app) error {
	if a.id != (identity{}) {
		return usageError{"env test writes the files of the profiles test and supabase.test: leave out" + a.id.flags()}
	}
	root, err := projectRoot(c.Workdir)
	if err != nil {
		return err
	}
	base := orDot(root)
	servers, err := testServers(c.Port)
	if err != nil {
		return err
	}
	if c.Regen {
		if err := c.clear(a, base, servers); err != nil {
			return err
		}
	}
	files, err := stage(base, servers)
	defer files.discard()
	if err != nil {
		return err
	}
	if err := files.place(); err != nil {
		return err
	}
	for _, s := range servers {
		fmt.Fprintf(a.Out, "%s: a server on port %d, `suparust start --profile %s`\n%s: what its clients need\n", s.file(), s.port, s.profile, s.clientFile())
	}
	fmt.Fprintln(a.Out, "They contain keys: keep them out of version control.")
	return nil
}

// clear removes what an earlier call and its servers left. Nothing is removed while one of them runs.
func (c envTestCommand) clear(a *app, base string, servers []*testServer) error {
	for _, s := range servers {
		for _, id := range []identity{{profile: s.profile}, {envFile: s.file()}} {
			running, _, err := instances(base, id)
			if err != nil {
				return err
			}
			if len(running) > 0 {
				return fmt.Errorf("the server of %s runs with PID %d; stop it with `suparust stop%s`, then run `suparust env test --regen` again",
					s.file(), running[0].pid, id.flags())
			}
		}
	}
	for _, s := range servers {
		for _, name := range []string{s.file(), s.clientFile()} {
			if err := written(filepath.Join(base, name)); err != nil {
				return err
			}
		}
	}
	for _, s := range servers {
		for _, name := range []string{s.databaseDir(), s.storageDir(), s.file(), s.clientFile()} {
			path := filepath.Join(base, name)
			if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("cannot remove %s: %w; run suparust as the user that owns it", path, pathless(err))
			}
			fmt.Fprintf(a.Out, "Removed %s.\n", path)
		}
		_ = os.Remove(filepath.Join(base, s.dataDir())) // unless something else is in it
	}
	environ, err := readEnviron(a.environ, identity{}, base)
	if err != nil {
		return err
	}
	cache, _ := environ.lookup("SUPARUST_CACHE_DIR")
	if cache == "" {
		cache = pg.DefaultCacheDir()
	}
	var inUse *pg.CacheInUseError
	switch err := pg.ClearCache(cache); {
	case errors.As(err, &inUse):
		fmt.Fprintf(a.Err, "Kept the cache %s: a PostgreSQL runs from it (PID %d).\n", inUse.Dir, inUse.PID)
	case err != nil:
		return fmt.Errorf("cannot clear the cache %s: %w", cache, err)
	default:
		fmt.Fprintf(a.Out, "Cleared the cache %s: the next start fetches or unpacks PostgreSQL anew.\n", cache)
	}
	return nil
}

// written refuses a file that this command has not written.
func written(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read %s: %w; run suparust as the user that owns it", path, pathless(err))
	}
	if !bytes.Contains(text, []byte(writtenByEnvTest)) {
		return usageError{fmt.Sprintf("%s was not written by `suparust env test`; move it away, or remove it, and run this again", path)}
	}
	return nil
}

// stagedFiles are files under names of their own until all are whole.
type stagedFiles []struct{ path, temporary string }

// stage writes the files of the servers beside their places.
func stage(base string, servers []*testServer) (stagedFiles, error) {
	var files stagedFiles
	for _, s := range servers {
		for _, file := range []struct{ name, text string }{{s.file(), s.environ()}, {s.clientFile(), s.clientEnviron()}} {
			path := filepath.Join(base, file.name)
			f, err := os.CreateTemp(base, file.name+".new-") // 0600
			if err != nil {
				return files, cannotWrite(path, err)
			}
			files = append(files, struct{ path, temporary string }{path, f.Name()})
			_, err = f.WriteString(file.text)
			if err = errors.Join(err, f.Close()); err != nil {
				return files, cannotWrite(path, err)
			}
		}
	}
	return files, nil
}

// place gives the files their names, none of which may be taken. Of two processes that do so at once one gets all of
// them, for both begin with the same.
func (files stagedFiles) place() error {
	for i, f := range files {
		err := os.Link(f.temporary, f.path) // unlike a rename it never replaces
		if err == nil {
			continue
		}
		taken := errors.Is(err, fs.ErrExist)
		for _, done := range files[:i] {
			err = errors.Join(err, os.Remove(done.path))
		}
		if taken {
			return usageError{fmt.Sprintf("%s is there already; `suparust env test --regen` replaces these files, with new keys, and removes the test data", f.path)}
		}
		return cannotWrite(f.path, err)
	}
	return nil
}

// discard removes the temporary names.
func (files stagedFiles) discard() {
	for _, f := range files {
		_ = os.Remove(f.temporary)
	}
}

func cannotWrite(path string, err error) error {
	var link *os.LinkError
	if errors.As(err, &link) {
		err = link.Err
	}
	return fmt.Errorf("cannot write %s: %w; run suparust in a folder that can be written", path, pathless(err))
}

// randomSecret is a JWT secret.
func randomSecret() (string, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("generate a JWT secret: %w", err)
	}
	return hex.EncodeToString(raw), nil
}
