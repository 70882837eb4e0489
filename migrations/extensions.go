package migrations

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"sync"
)

//go:embed extensions/*.control extensions/*.sql
var extensionFiles embed.FS

// Extensions are the files of the extensions that a PostgreSQL of the server's own gets beside the ones it brings: as
// `create extension` wants them, <name>.control and <name>--<version>.sql. They are written in SQL alone.
func Extensions() fs.FS {
	files, err := fs.Sub(extensionFiles, "extensions")
	if err != nil {
		panic(err) // the directory is part of the binary
	}
	return files
}

// ExtensionsVersion names the content of Extensions in 12 hexadecimal digits.
var ExtensionsVersion = sync.OnceValue(func() string {
	h := sha256.New()
	entries, err := fs.ReadDir(Extensions(), ".")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		text, err := fs.ReadFile(Extensions(), e.Name())
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(h, "%s %x\n", e.Name(), sha256.Sum256(text))
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
})

// withScripts writes the script of an extension, as one in the schema extensions
// has it, where a line "--include" names it: for a PostgreSQL that does not get
// the extension.
func withScripts(sql string) string {
	for {
		before, after, found := strings.Cut(sql, "\n--include ")
		if !found {
			return sql
		}
		name, after, _ := strings.Cut(after, "\n")
		script, err := fs.ReadFile(Extensions(), name)
		if err != nil {
			panic(err) // it is part of the binary
		}
		sql = before + "\n" + strings.ReplaceAll(string(script), "@extschema@", "extensions") + after
	}
}
