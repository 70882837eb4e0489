package cmd

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"github.com/suparust/suparust/server"
)

type keysRotateCommand struct {
	Workdir string `help:"Use the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
}

// Help is shown by `suparust keys rotate --help`.
func (keysRotateCommand) Help() string {
	return `Writes a new JWT secret into the environment file, and new keys in the place of those that stand in it; the rest of the
file stays as it is. From the next start on, every token and key made with the old secret is refused.

Examples:

    suparust keys rotate && suparust restart
    suparust --profile staging keys rotate
`
}

// Run writes the new keys.
func (c keysRotateCommand) Run(a *app) error {
	s, err := a.settings(settingFlags{Workdir: c.Workdir})
	if err != nil {
		return err
	}
	if t := strings.TrimSpace(s.config.Keys.JWTSecret); strings.HasPrefix(t, "{") {
		return errors.New("the JWT secret is a set of JWKs: exchange its keys where they come from, then send SIGUSR2 to the server")
	}
	keys, err := newKeys(s.config.Keys.JWTSecretIsBase64)
	if err != nil {
		return err
	}
	text, err := s.rotated(keys)
	if err != nil {
		return err
	}
	if err := replaceFile(s.environ.path, text); err != nil {
		return fmt.Errorf("cannot write the new keys to %s: %w; nothing has changed", s.environ.path, pathless(err))
	}
	complete, err := keys.Complete()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "Wrote a new JWT secret and its keys to %s.\n", s.environ.path)
	printNames(a.Out, keyValues(complete), false)
	running, err := a.runningServer(s, 0)
	var several usageError
	switch {
	case errors.As(err, &several): // several run
		fmt.Fprintf(a.Out, "The servers that run have the old keys until you restart each: suparust%s restart --port PORT\n", a.id.flags())
	case err != nil:
		return err
	case running != nil:
		fmt.Fprintf(a.Out, "The server that runs (PID %d) has the old keys until you restart it: suparust%s restart\n", running.pid, a.id.flags())
	}
	return nil
}

// newKeys are a new secret as it is written into a file.
func newKeys(inBase64 bool) (server.Keys, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return server.Keys{}, fmt.Errorf("generate a JWT secret: %w", err)
	}
	secret := hex.EncodeToString(raw)
	if inBase64 {
		secret = base64.StdEncoding.EncodeToString([]byte(secret))
	}
	return server.Keys{JWTSecret: secret, JWTSecretIsBase64: inBase64}, nil
}

// rotated is the environment file's text with new keys.
func (s *settings) rotated(keys server.Keys) (string, error) {
	complete, err := keys.Complete()
	if err != nil {
		return "", err
	}
	text := ""
	if s.environ.exists {
		data, err := os.ReadFile(s.environ.path)
		if err != nil {
			return "", fmt.Errorf("cannot read %s: %w", s.environ.path, pathless(err))
		}
		text = string(data)
	}
	want := map[string]string{}
	for _, k := range []struct {
		setting, value string
		add            bool // it must be in the file, for something else would win or nothing would say it
	}{
		{jwtSecret, keys.JWTSecret, true},
		{"SUPARUST_ANON_KEY", complete.AnonKey, s.config.Keys.AnonKey != ""},
		{"SUPARUST_SERVICE_ROLE_KEY", complete.ServiceRoleKey, s.config.Keys.ServiceRoleKey != ""},
		{"SUPARUST_PUBLISHABLE_KEY", complete.PublishableKey, s.config.Keys.PublishableKey != ""},
		{"SUPARUST_SECRET_KEY", complete.SecretKey, s.config.Keys.SecretKey != ""},
	} {
		found := false
		for _, name := range s.keyNames(k.setting) {
			if s.environ.process[name] != "" && (!s.project || strings.HasPrefix(name, "SUPARUST_")) {
				return "", fmt.Errorf("%s is set in the environment, which wins over %s: unset it there, then run `suparust keys rotate` again", name, s.environ.path)
			}
			old, ok := s.environ.file[name]
			if !ok || old == "" {
				continue
			}
			if file, ok := strings.CutPrefix(old, "@"); ok {
				return "", fmt.Errorf("%s is read from the file %s: write a new secret there, then restart the server", name, file)
			}
			text = setLine(text, name, k.value)
			want[name], found = k.value, true
		}
		if !found && k.add {
			text = setLine(text, k.setting, k.value)
			want[k.setting] = k.value
		}
	}
	got, err := godotenv.Unmarshal(text)
	for name, value := range want {
		if err != nil || got[name] != value {
			return "", fmt.Errorf("%s writes %s in a form that cannot be replaced, such as over several lines: write it as %s=value", s.environ.path, name, name)
		}
	}
	return text, nil
}

// keyNames are the names that a key is read under, the own one first.
func (s *settings) keyNames(setting string) []string {
	for _, k := range server.Settings() {
		if k.Name != setting {
			continue
		}
		all := append([]string{k.Name}, k.Aliases...)
		if s.own {
			// the others are the app's there, often those of the hosted project
			all = slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, "SUPARUST_") })
		}
		return all
	}
	return []string{setting}
}

// setLine gives a variable another value, at its place or at the end.
func setLine(text, name, value string) string {
	line := regexp.MustCompile(`(?m)^([ \t]*(?:export[ \t]+)?` + regexp.QuoteMeta(name) + `[ \t]*[=:])[^\r\n]*`)
	if line.MatchString(text) {
		return line.ReplaceAllString(text, "${1}"+value) // of base64's and JWT's letters none means anything in a replacement
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + name + "=" + value + "\n"
}

// replaceFile writes a file for this user's eyes alone, all of it or nothing. It keeps its owner, and a link stays one.
func replaceFile(path, text string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = next.WriteString(text)
	if err == nil {
		err = next.Sync()
	}
	info, statErr := os.Stat(path)
	if err == nil && statErr == nil {
		err = keepOwner(next, info)
	} else if err == nil && !errors.Is(statErr, fs.ErrNotExist) {
		err = statErr
	}
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}
