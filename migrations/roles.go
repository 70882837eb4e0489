package migrations

import (
	"bytes"
	"regexp"
	"sync"
)

var roleRow = regexp.MustCompile(`(?m)^ +\('([a-z_]+)', +'`)

// Roles are the names of the platform's roles.
var Roles = sync.OnceValue(func() []string {
	text, err := files.ReadFile("0001_roles.sql")
	if err != nil {
		panic(err) // the directory is part of the binary
	}
	made, _, ok := bytes.Cut(text, []byte(") as wanted (name, attributes)"))
	if !ok {
		panic("0001_roles.sql does not list the roles it makes")
	}
	var names []string
	for _, m := range roleRow.FindAllSubmatch(made, -1) {
		names = append(names, string(m[1]))
	}
	return names
})
