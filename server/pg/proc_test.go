//go:build unix

package pg

import "testing"

func TestMentions(t *testing.T) {
	t.Parallel()
	const dir = "/srv/data"
	for line, want := range map[string]bool{
		"postgres -D /srv/data -p 1":              true,
		"postgres -D /srv/data":                   true,
		"postgres -D /srv/data\n":                 true,
		"postgres -k /srv/data/1abc":              true,
		"postgres --data-directory=/srv/data":     true,
		"postgres -D /srv/data2":                  false,
		"postgres -D /mnt/srv/data":               false,
		"/srv/data-bin/postgres -D /srv/data":     true,
		"/srv/data-bin/postgres -D /srv/data-new": false,
		"": false,
	} {
		if got := mentions([]byte(line), dir); got != want {
			t.Errorf("%q: %t", line, got)
		}
	}
}
