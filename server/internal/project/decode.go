package project

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// envReference is a string value that stands for an environment variable.
var envReference = regexp.MustCompile(`^env\((.*)\)$`)

// defaulter is a section whose zero value is not its default.
type defaulter interface{ setDefaults() }

// decodeConfig reads the text of a config.toml over the defaults. Keys nobody knows become warnings.
func decodeConfig(file, text string, env Environ) (*Config, []string, error) {
	raw := map[string]any{}
	if _, err := toml.Decode(text, &raw); err != nil {
		var bad toml.ParseError
		if errors.As(err, &bad) {
			return nil, nil, fmt.Errorf("%s:%d: %s; correct that line (the file is TOML: key = value, text in quotes)",
				file, bad.Position.Line, strings.TrimSuffix(bad.Message, "."))
		}
		return nil, nil, fmt.Errorf("%s: %w; correct the file (it is TOML: key = value, text in quotes)", file, err)
	}
	c := DefaultConfig()
	d := decoder{file: file, text: text, env: env}
	if err := d.table(nil, reflect.ValueOf(c).Elem(), raw); err != nil {
		return nil, nil, err
	}
	return c, d.warnings, nil
}

type decoder struct {
	file, text string
	env        Environ
	warnings   []string
}

// table decodes a TOML table into a struct and applies SUPABASE_… overrides of its keys.
func (d *decoder) table(path []string, v reflect.Value, raw map[string]any) error {
	used := map[string]bool{}
	for i := range v.NumField() {
		names := strings.Split(v.Type().Field(i).Tag.Get("toml"), ",")
		// the old name first, so that today's wins when both are there
		for _, name := range slices.Backward(names) {
			at := append(slices.Clone(path), name)
			key, ok := findKey(raw, name)
			if ok {
				used[key] = true
				at[len(path)] = key
				if err := d.value(at, v.Field(i), raw[key]); err != nil {
					return err
				}
			} else if err := d.absent(at, v.Field(i)); err != nil {
				return err
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if !used[key] {
			d.warn(append(slices.Clone(path), key), "is not a key this version knows; it is ignored")
		}
	}
	return nil
}

// absent looks for overrides of a key, and of the keys below it, that the file does not have.
func (d *decoder) absent(path []string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Struct:
		return d.table(path, v, nil)
	case reflect.Map:
		return nil
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct {
			return nil
		}
	}
	if name, text, ok := d.override(path); ok {
		return d.scalar(path, v, text, "the environment variable "+name)
	}
	return nil
}

func (d *decoder) value(path []string, v reflect.Value, raw any) error {
	switch v.Kind() {
	case reflect.Struct:
		table, ok := raw.(map[string]any)
		if !ok {
			return d.mismatch(path, "a section [%s]", raw)
		}
		return d.table(path, v, table)
	case reflect.Map:
		return d.mapping(path, v, raw)
	case reflect.Interface:
		v.Set(reflect.ValueOf(raw))
		return nil
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if s, ok := p.Interface().(defaulter); ok {
			s.setDefaults()
		}
		if err := d.value(path, p.Elem(), raw); err != nil {
			return err
		}
		v.Set(p)
		return nil
	}
	if name, text, ok := d.override(path); ok {
		return d.scalar(path, v, text, "the environment variable "+name)
	}
	return d.scalar(path, v, raw, "")
}

// mapping decodes a table whose keys are the user's: buckets, functions, providers.
func (d *decoder) mapping(path []string, v reflect.Value, raw any) error {
	table, ok := raw.(map[string]any)
	if !ok {
		return d.mismatch(path, "a section [%s]", raw)
	}
	if v.IsNil() {
		v.Set(reflect.MakeMapWithSize(v.Type(), len(table)))
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		at := append(slices.Clone(path), key)
		elem := reflect.New(v.Type().Elem())
		if _, ok := table[key].(map[string]any); !ok && elem.Elem().Kind() == reflect.Struct {
			d.warn(at, "is not a key this version knows; it is ignored")
			continue
		}
		if s, ok := elem.Interface().(defaulter); ok {
			s.setDefaults()
		}
		if err := d.value(at, elem.Elem(), table[key]); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key), elem.Elem())
	}
	return nil
}

var (
	sizeType     = reflect.TypeFor[Size]()
	durationType = reflect.TypeFor[time.Duration]()
)

// scalar decodes one value; source names where it comes from when that is not the file.
func (d *decoder) scalar(path []string, v reflect.Value, raw any, source string) error {
	text, isText := raw.(string)
	if m := envReference.FindStringSubmatch(text); isText && m != nil && source == "" {
		if value, ok := d.env.lookup(m[1]); ok && value != "" {
			text, raw, source = value, value, "the environment variable "+m[1]
		} else if k := v.Kind(); k != reflect.String && k != reflect.Slice {
			return d.failf(path, "", "is %s but %s is not set; set it in the environment or in a .env file", text, m[1])
		}
	}
	switch v.Type() {
	case sizeType:
		if !isText {
			break // a number of bytes
		}
		n, err := ParseSize(text)
		if err != nil {
			return d.failf(path, source, "%v", err)
		}
		v.SetInt(int64(n))
		return nil
	case durationType:
		if raw == int64(0) {
			text, isText = "0", true
		}
		if !isText {
			return d.mismatch(path, `a duration such as "30s"`, raw)
		}
		n, err := parseDuration(text)
		if err != nil {
			return d.failf(path, source, "%v", err)
		}
		v.SetInt(int64(n))
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer: // *bool
		p := reflect.New(v.Type().Elem())
		if err := d.scalar(path, p.Elem(), raw, source); err != nil {
			return err
		}
		v.Set(p)
		return nil
	case reflect.String:
		switch raw := raw.(type) {
		case string:
			v.SetString(raw)
			return nil
		case int64, float64, bool:
			v.SetString(fmt.Sprint(raw))
			return nil
		}
		return d.mismatch(path, "a text in quotes", raw)
	case reflect.Bool:
		if b, ok := raw.(bool); ok {
			v.SetBool(b)
			return nil
		}
		if isText {
			if b, err := strconv.ParseBool(text); err == nil {
				v.SetBool(b)
				return nil
			}
			return d.failf(path, source, "must be true or false")
		}
		return d.mismatch(path, "true or false", raw)
	case reflect.Int, reflect.Int64, reflect.Uint16:
		return d.integer(path, v, raw, source)
	case reflect.Slice:
		return d.list(path, v, raw)
	}
	return fmt.Errorf("%s has a type the reader does not know", strings.Join(path, "."))
}

func (d *decoder) integer(path []string, v reflect.Value, raw any, source string) error {
	n, ok := raw.(int64)
	if text, isText := raw.(string); isText {
		var err error
		if n, err = strconv.ParseInt(strings.TrimSpace(text), 10, 64); err != nil {
			return d.failf(path, source, "must be a number")
		}
	} else if !ok {
		return d.mismatch(path, "a whole number", raw)
	}
	if v.Kind() == reflect.Uint16 {
		if n < 0 || n > 65535 {
			return d.failf(path, source, "is %d; a port is between 0 and 65535", n)
		}
		v.SetUint(uint64(n))
		return nil
	}
	if n < 0 {
		return d.failf(path, source, "is %d; it cannot be negative", n)
	}
	v.SetInt(n)
	return nil
}

// list decodes an array of texts, or one text with commas.
func (d *decoder) list(path []string, v reflect.Value, raw any) error {
	var items []any
	switch raw := raw.(type) {
	case []any:
		items = raw
	case string:
		if raw != "" {
			for _, part := range strings.Split(raw, ",") {
				items = append(items, strings.TrimSpace(part))
			}
		}
	default:
		return d.mismatch(path, `a list such as ["a", "b"]`, raw)
	}
	list := make([]string, len(items))
	for i, item := range items {
		if err := d.scalar(path, reflect.ValueOf(&list[i]).Elem(), item, ""); err != nil {
			return err
		}
	}
	v.Set(reflect.ValueOf(list))
	return nil
}

// override finds SUPABASE_<SECTION>_<KEY>.
func (d *decoder) override(path []string) (name, value string, ok bool) {
	name = "SUPABASE_" + strings.ToUpper(strings.Join(path, "_"))
	value, ok = d.env.lookup(name)
	return name, value, ok && value != ""
}

func (d *decoder) warn(path []string, text string) {
	d.warnings = append(d.warnings, fmt.Sprintf("%s: %s %s", d.place(path), dotted(path), text))
}

func (d *decoder) mismatch(path []string, want string, raw any) error {
	if strings.Contains(want, "%s") {
		want = fmt.Sprintf(want, dotted(path))
	}
	return d.failf(path, "", "must be %s, not %s", want, tomlType(raw))
}

func (d *decoder) failf(path []string, source, format string, args ...any) error {
	place := d.place(path)
	if source != "" {
		place = source
	}
	return fmt.Errorf("%s: %s %s", place, dotted(path), fmt.Sprintf(format, args...))
}

func (d *decoder) place(path []string) string {
	if line := keyLine(d.text, path); line > 0 {
		return fmt.Sprintf("%s:%d", d.file, line)
	}
	return d.file
}

func dotted(path []string) string { return strings.Join(path, ".") }

func tomlType(raw any) string {
	switch raw.(type) {
	case string:
		return "a text"
	case int64, float64:
		return "a number"
	case bool:
		return "true or false"
	case []any, []map[string]any:
		return "a list"
	case map[string]any:
		return "a section"
	}
	return "a date"
}

func findKey(raw map[string]any, name string) (string, bool) {
	if _, ok := raw[name]; ok {
		return name, true
	}
	for key := range raw {
		if strings.EqualFold(key, name) {
			return key, true
		}
	}
	return "", false
}

// keyLine finds the line of a key, or of the nearest section above it; 0 = not in the text.
func keyLine(text string, path []string) int {
	best, depth := 0, 0
	var table []string
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		var at []string
		if strings.HasPrefix(line, "[") {
			header, _, _ := strings.Cut(strings.Trim(strings.TrimLeft(line, "["), " \t"), "]")
			table = keyParts(header)
			at = table
		} else if key, _, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			at = append(slices.Clone(table), keyParts(key)...)
		} else {
			continue
		}
		if len(at) > depth && len(at) <= len(path) && slices.Equal(at, path[:len(at)]) {
			best, depth = n+1, len(at)
		}
	}
	return best
}

// keyParts splits a dotted TOML key.
func keyParts(key string) []string {
	var parts []string
	var quote rune
	var b strings.Builder
	for _, r := range key {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			b.WriteRune(r)
		case r == '"' || r == '\'':
			quote = r
		case r == '.':
			parts = append(parts, b.String())
			b.Reset()
		case r == ' ' || r == '\t':
		default:
			b.WriteRune(r)
		}
	}
	return append(parts, b.String())
}
