// Package leaktest finds goroutines that the tests of a package have left behind.
package leaktest

import (
	"fmt"
	"net/http"
	"os"

	"go.uber.org/goleak"
)

// Main runs tests and fails where goroutines outlive them. The one that starts
// every PostgreSQL lives as long as the process.
func Main(run func() int) int {
	current := goleak.IgnoreCurrent()
	code := run()
	if code == 0 {
		http.DefaultClient.CloseIdleConnections() // they serve the next request of whoever
		if err := goleak.Find(current, goleak.IgnoreTopFunction("github.com/suparust/suparust/server/pg.spawnForever")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}
