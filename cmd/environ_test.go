package cmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEnvironPrecedence(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.env")
	if err := os.WriteFile(file, []byte("A=file\nB=file\nC=\nG=file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := readEnviron([]string{"A=process", "D=a=b", "E=", "G="}, identity{envFile: file}, ".")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"A": "process", "B": "file", "C": "", "D": "a=b", "E": "", "G": "file"} {
		if got, ok := e.lookup(name); got != want || !ok {
			t.Errorf("%s = %q, %v; want %q", name, got, ok, want)
		}
	}
	if _, ok := e.lookup("F"); ok {
		t.Error("F is set")
	}
}

func TestEnvFileFaults(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.env")
	var usage usageError
	if _, err := readEnviron(nil, identity{envFile: file}, "."); !errors.As(err, &usage) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(file, []byte("KEY=\"hunter2\nB=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readEnviron(nil, identity{envFile: file}, "."); !errors.As(err, &usage) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a broken file: %v; want its name and not its text", err)
	}
}

func TestGenerateSecret(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"no file": "", "a file": "A=1\n", "a file without a last newline": "A=1"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), ".env")
			e := &environ{path: file}
			if before != "" {
				if err := os.WriteFile(file, []byte(before), 0o640); err != nil {
					t.Fatal(err)
				}
				e.exists = true
			}
			if err := e.generateSecret(); err != nil {
				t.Fatal(err)
			}
			secret, _ := e.lookup(jwtSecret)
			if len(secret) < 32 {
				t.Errorf("secret of %d characters", len(secret))
			}
			again, err := readEnviron(nil, identity{envFile: file}, ".")
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := again.lookup(jwtSecret); got != secret {
				t.Errorf("the file has the secret %q, want %q", got, secret)
			}
			if a, _ := again.lookup("A"); before != "" && a != "1" {
				t.Errorf("A = %q, want what was there before", a)
			}
			if info, err := os.Stat(file); before == "" && (err != nil || info.Mode().Perm() != 0o600) {
				t.Errorf("mode of the new file = %v, %v", info.Mode(), err)
			}
		})
	}
	t.Run("two at once", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), ".env")
		if err := (&environ{path: file}).generateSecret(); err != nil {
			t.Fatal(err)
		}
		// the second saw no file either: it must not overwrite the first one's secret
		if err := (&environ{path: file}).generateSecret(); err == nil {
			t.Error("a second first run replaced the file")
		}
	})
}
