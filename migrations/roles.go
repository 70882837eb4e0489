package migrations

import (
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
	var names []string
	for _, m := range roleRow.FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	return names
})
