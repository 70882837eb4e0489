package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// environ is where settings come from: the process's environment, then the one environment file of the identity.
type environ struct {
	process map[string]string
	file    map[string]string
	path    string // of the file
	exists  bool   // the file is there
}

// readEnviron reads the identity's environment file, from the working directory or else from base. It must be there when
// it was asked for.
func readEnviron(process []string, id identity, base string) (*environ, error) {
	e := &environ{process: make(map[string]string, len(process)), path: id.file()}
	if _, err := os.Stat(e.path); errors.Is(err, fs.ErrNotExist) && id.envFile == "" {
		e.path = filepath.Join(base, e.path)
	}
	for _, pair := range process {
		if name, value, ok := strings.Cut(pair, "="); ok {
			e.process[name] = value
		}
	}
	data, err := os.ReadFile(e.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !id.required():
		return e, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, usageError{fmt.Sprintf("%s does not exist; create it, or leave out%s", e.path, id.flags())}
	case err != nil:
		return nil, fmt.Errorf("cannot read %s: %w; make it readable for this user", e.path, pathless(err))
	}
	e.exists = true
	if e.file, err = godotenv.UnmarshalBytes(data); err != nil {
		// the parser quotes the text around the fault, which may be a secret
		reason, _, _ := strings.Cut(err.Error(), " near ")
		if strings.HasPrefix(reason, "unterminated quoted value") {
			reason = "a quote is not closed"
		}
		return nil, usageError{fmt.Sprintf("%s cannot be read as NAME=value lines: %s; correct the file", e.path, reason)}
	}
	return e, nil
}

// lookup finds a variable; the process's environment wins where it has a value.
func (e *environ) lookup(name string) (string, bool) {
	v, ok := e.process[name]
	if v != "" {
		return v, true
	}
	if v, ok := e.file[name]; ok {
		return v, true
	}
	return v, ok
}

// ownNames is a lookup that leaves out the names that other programs use too. Beside a project, PORT, JWT_SECRET or
// SUPABASE_ANON_KEY in .env belong to the app: often they are those of the hosted project. A file that was asked for is
// suparust's, and all of it is read.
func (e *environ) ownNames(asked bool) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if strings.HasPrefix(name, "SUPARUST_") {
			return e.lookup(name)
		}
		if !asked {
			return "", false
		}
		v, ok := e.file[name]
		return v, ok
	}
}

// names are the variables that there are.
func (e *environ) names() []string {
	all := maps.Clone(e.process)
	maps.Copy(all, e.file)
	return slices.Collect(maps.Keys(all))
}

// jwtSecret is the variable that first runs generate.
const jwtSecret = "SUPARUST_JWT_SECRET"

// generateSecret makes a JWT secret and keeps it in the environment file, so that the keys stay the same at the next
// start. Only this user may read a file that it creates.
func (e *environ) generateSecret() error {
	secret, err := randomSecret()
	if err != nil {
		return err
	}
	text := "# The secret that signs tokens; the anon and service keys derive from it. Keep it out of version control.\n" +
		jwtSecret + "=" + secret + "\n"
	flag := os.O_CREATE | os.O_EXCL | os.O_WRONLY
	if e.exists {
		flag = os.O_APPEND | os.O_RDWR
	}
	f, err := os.OpenFile(e.path, flag, 0o600)
	if err != nil {
		return e.unwritable(err)
	}
	if e.exists {
		text, err = onNewLine(f, text)
	}
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return e.unwritable(err)
	}
	if e.file == nil {
		e.file = map[string]string{}
	}
	e.file[jwtSecret] = secret
	return nil
}

func (e *environ) unwritable(err error) error {
	return fmt.Errorf("cannot keep a generated JWT secret in %s: %w; set %s (32 characters or more), or run in a folder that can be written",
		e.path, pathless(err), jwtSecret)
}

// onNewLine puts a line end before text when the file does not end with one.
func onNewLine(f *os.File, text string) (string, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return text, err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil {
		return text, err
	}
	if last[0] != '\n' {
		text = "\n" + text
	}
	return text, nil
}

// pathless drops the operation and the path of a file error, for messages that name the file themselves.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
