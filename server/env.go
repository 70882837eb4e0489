package server

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/rest"
)

// Setting is one setting of the environment: its name, the older or foreign
// names it is also read under, and what it does.
//
// A name that ends with * is a family: every variable that begins with the
// part before it is a setting, named by the rest.
type Setting struct {
	Name    string
	Aliases []string
	Default string // for people
	Help    string
	Secret  bool // its value must not be shown
	Empty   bool // an empty value says something, too
	// foreign says when the other names mean somebody else's setting and are
	// not read; nil is never.
	foreign func(c *Config) bool
	set     func(c *Config, value string) error
	setEach func(c *Config, rest, value string) error // of a family, in the place of set
}

// Settings lists every setting, in the order of the documentation.
func Settings() []Setting { return settings }

// settings are in the order of the documentation, which is also the order they are applied in.
var settings = slices.Concat(serverSettings, commandSettings, keySettings, databaseSettings, restSettings, authSettings, oauthSettings, guardSettings, mailSettings, storageSettings, s3Settings)

// Note is what FromEnv has to say of settings that it took all the same.
type Note struct {
	Level slog.Level
	Text  string
}

// FromEnv sets c from the environment. Empty values count as absent. note, when not nil,
// hears of settings that were given under another name. names are the variables that
// there are; families of settings are looked for among them. The error names every
// value that cannot be.
func (c *Config) FromEnv(lookup func(name string) (string, bool), note func(Note), names ...string) error {
	if note == nil {
		note = func(Note) {}
	}
	lookup = goTrueLookup(lookup)
	read := map[string]bool{}
	var faults []error
	for _, s := range settings {
		if s.setEach != nil {
			faults = append(faults, s.family(c, lookup, note, names, read)...)
			continue
		}
		for _, alias := range s.Aliases {
			read[alias] = true
		}
		name, value := s.find(c, lookup, note)
		if name == "" {
			continue
		}
		if err := s.set(c, value); err != nil {
			faults = append(faults, fmt.Errorf("the setting %s: %w", name, err))
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	if c.keepNothing {
		c.transient()
	}
	c.asGoTrue(lookup)
	warnUnread(lookup, note, names, read)
	return nil
}

// errNoMember is what setEach returns for a variable that only begins like the
// family's.
var errNoMember = errors.New("no member of the family")

// family sets the members of a family, those under its own name last, so that they win.
// It notes in read which there are, and returns what cannot be.
func (s *Setting) family(c *Config, lookup func(string) (string, bool), note func(Note), names []string, read map[string]bool) (faults []error) {
	names = slices.Sorted(slices.Values(names))
	own := strings.TrimSuffix(s.Name, "*")
	for _, prefix := range slices.Backward(append([]string{s.Name}, s.Aliases...)) {
		prefix = strings.TrimSuffix(prefix, "*")
		for _, name := range names {
			rest, ok := strings.CutPrefix(name, prefix)
			if !ok || rest == "" {
				continue
			}
			value, _ := lookup(name)
			if value == "" {
				continue
			}
			err := s.setEach(c, rest, value)
			if errors.Is(err, errNoMember) {
				continue
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("the setting %s: %w", name, err))
				continue
			}
			read[name] = true
			if prefix == own {
				continue
			}
			if v, _ := lookup(own + rest); v != "" {
				note(both(own+rest, name))
			} else {
				note(legacy(name, own+rest))
			}
		}
	}
	return faults
}

// legacy is the note about a setting under another than its own name.
func legacy(name, own string) Note {
	return Note{slog.LevelWarn, fmt.Sprintf("Using legacy env %s. Prefer %s.", name, own)}
}

// both is the note about a setting that is given twice.
func both(used, other string) Note {
	return Note{slog.LevelInfo, fmt.Sprintf("Both %s and %s are set. Using %s.", used, other, used)}
}

// find is the first of the setting's names that is given, and its value.
func (s *Setting) find(c *Config, lookup func(string) (string, bool), note func(Note)) (name, value string) {
	names := []string{s.Name}
	if s.foreign == nil || !s.foreign(c) {
		names = append(names, s.Aliases...)
	}
	for _, n := range names {
		v, ok := lookup(n)
		if !ok || v == "" && !s.Empty {
			continue
		}
		if name != "" {
			note(both(name, n))
			continue
		}
		if name, value = n, v; !strings.HasPrefix(name, "SUPARUST_") {
			note(legacy(name, s.Name))
		}
	}
	return name, value
}

func textSetting(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error { *field(c) = v; return nil }
}

// bytesSetting sets a size.
func bytesSetting(field func(*Config) *int64) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n <= 0 {
			return fmt.Errorf("%q is no number of bytes above 0", v)
		}
		*field(c) = n
		return nil
	}
}

func intSetting(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no whole number from 0", v)
		}
		*field(c) = n
		return nil
	}
}

func portSetting(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		var port int
		if err := intSetting(func(*Config) *int { return &port })(c, v); err != nil {
			return err
		}
		if port > 65535 {
			return fmt.Errorf("%q is no port from 0 to 65535", v)
		}
		*field(c) = port
		return nil
	}
}

// boolSetting reads truth values as PostgREST does.
func boolSetting(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		b, ok := rest.Boolean(v)
		if !ok {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		*field(c) = b
		return nil
	}
}

// notSetting is a boolSetting of the opposite.
func notSetting(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, v string) error {
		err := boolSetting(field)(c, v)
		if err == nil {
			*field(c) = !*field(c)
		}
		return err
	}
}

// fromFile gives a setting the content of a file where the value is @ and its
// name. One line end at the content's end does not count.
func fromFile(set func(*Config, string) error) func(*Config, string) error {
	return func(c *Config, v string) error {
		if name, ok := strings.CutPrefix(v, "@"); ok {
			content, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("the file behind @ cannot be read: %w", err)
			}
			v = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		}
		return set(c, v)
	}
}

func listSetting(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, v string) error { *field(c) = textList(v); return nil }
}

// textList are the parts of a list that is parted by commas.
func textList(v string) []string {
	var list []string
	for _, x := range strings.Split(v, ",") {
		if x = strings.TrimSpace(x); x != "" {
			list = append(list, x)
		}
	}
	return list
}

// waitSetting is a time in seconds, or a Go duration; 0 means none.
func waitSetting(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		if d, err := time.ParseDuration(v); err == nil && d >= 0 {
			*field(c) = d
			return nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 1<<30 {
			return fmt.Errorf("%q is no whole number of seconds from 0", v)
		}
		*field(c) = time.Duration(n) * time.Second
		return nil
	}
}

func secondsSetting(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n <= 0 || n > 604800 {
			return fmt.Errorf("%q is no number of seconds from 1 to 604800", v)
		}
		*field(c) = time.Duration(n) * time.Second
		return nil
	}
}
