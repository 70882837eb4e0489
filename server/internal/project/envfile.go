package project

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"
)

// Environ looks up an environment variable, as [os.LookupEnv] does. nil is an empty environment.
type Environ func(name string) (value string, ok bool)

func (e Environ) lookup(name string) (string, bool) {
	if e == nil {
		return "", false
	}
	return e(name)
}

// withEnvFiles adds the variables of the project's .env files: from supabase/ upward to the repository's root, and in
// each folder .env.<ENV>.local, .env.local (not for ENV=test), .env.<ENV>, .env, where ENV is SUPARUST_ENV,
// SUPABASE_ENV or development. What is set already wins.
func withEnvFiles(root string, env Environ) (Environ, error) {
	variable, stage := "", "development"
	for _, name := range []string{"SUPARUST_ENV", "SUPABASE_ENV"} {
		if v, _ := env.lookup(name); v != "" {
			variable, stage = name, v
			break
		}
	}
	if strings.ContainsAny(stage, `/\`) {
		return nil, fmt.Errorf("%s=%q cannot name a file; set it to a plain word such as development or test", variable, stage)
	}
	names := []string{".env." + stage + ".local"}
	if stage != "test" {
		names = append(names, ".env.local")
	}
	names = append(names, ".env."+stage, ".env")

	vars := map[string]string{}
	for _, dir := range envDirs(root) {
		for _, name := range names {
			if err := readEnvFile(dir, name, vars); err != nil {
				return nil, err
			}
		}
	}
	return func(name string) (string, bool) {
		if v, ok := env.lookup(name); ok {
			return v, true
		}
		v, ok := vars[name]
		return v, ok
	}, nil
}

// envDirs lists supabase/, its parent and the folders up to the repository's root, when there is a repository.
func envDirs(root string) []string {
	dirs := []string{filepath.Join(root, "supabase"), root}
	if isRepositoryRoot(root) {
		return dirs
	}
	var above []string
	for dir := filepath.Dir(root); ; dir = filepath.Dir(dir) {
		above = append(above, dir)
		if isRepositoryRoot(dir) {
			return append(dirs, above...)
		}
		if dir == filepath.Dir(dir) {
			return dirs
		}
	}
}

func isRepositoryRoot(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ".git"))
	return err == nil
}

// readEnvFile adds the variables of dir/name that vars does not have.
func readEnvFile(dir, name string, vars map[string]string) error {
	r, err := os.OpenRoot(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("cannot read the project's folder: %w", err)
	}
	defer r.Close()
	info, err := r.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	var data []byte
	if err == nil {
		data, err = r.ReadFile(name)
	}
	file := filepath.Join(dir, name)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w; make it readable or remove it", file, withoutPath(err))
	}
	parsed, err := godotenv.UnmarshalBytes(bytes.TrimPrefix(data, []byte(byteOrderMark)))
	if err != nil {
		// the parser quotes the text around the fault, which may be a secret
		reason, _, _ := strings.Cut(err.Error(), " near ")
		if strings.HasPrefix(reason, "unterminated quoted value") {
			reason = "a quote is not closed"
		}
		return fmt.Errorf("%s cannot be read as NAME=value lines: %s; correct the file", file, reason)
	}
	for k, v := range parsed {
		if _, ok := vars[k]; !ok {
			vars[k] = v
		}
	}
	return nil
}

// withoutPath drops the operation and the path of a file error, for messages that name the file themselves.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
