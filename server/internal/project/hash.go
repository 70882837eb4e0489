package project

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// recipe is the version of what Apply makes of the same files. Raise it when that changes.
const recipe = "1"

// Hash is a key over everything that Apply with a fresh database reads: two projects with the same key make the same
// database.
func (p *Project) Hash() (string, error) {
	h := sha256.New()
	write := func(kind, name, text string) {
		// lengths keep "ab"+"c" and "a"+"bc" apart
		fmt.Fprintf(h, "%s %d %s %d ", kind, len(name), name, len(text))
		io.WriteString(h, text)
	}
	write("recipe", recipe, "")
	settings, err := json.Marshal(struct {
		Migrations, Seed bool
		Expose           bool
		Vault            map[string]Secret
		Storage          bool
		Buckets          map[string]Bucket
	}{
		p.Config.DB.Migrations.Enabled, p.Config.DB.Seed.Enabled, p.exposesNewTables(), p.Config.DB.Vault,
		p.Config.Storage.Enabled, p.Config.Storage.Buckets,
	})
	if err != nil {
		return "", fmt.Errorf("hash the project's settings: %w", err)
	}
	write("settings", "", string(settings))
	if p.Roles != nil {
		write("roles", p.Roles.Path, p.Roles.text)
	}
	for _, m := range p.Migrations {
		write("migration", m.Path, m.text)
	}
	for _, s := range p.Seeds {
		write("seed", s.Path, s.text)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (p *Project) exposesNewTables() bool {
	return p.Config.API.AutoExposeNewTables == nil || *p.Config.API.AutoExposeNewTables
}
