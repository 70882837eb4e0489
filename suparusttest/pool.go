package suparusttest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
)

// pools keeps databases ready, one pool for each template in use. Their
// processes end with this one, however it ends; Main closes them before.
var pools struct {
	sync.Mutex
	byKey map[string]*pg.Pool
}

// poolDepth is how many databases wait for the next tests.
func poolDepth() int { return max(2, min(runtime.GOMAXPROCS(0), 4)) }

// takeCluster returns a fresh database for a server of this configuration.
// refill has the next one made ready; it is for when the server has started,
// for the two would compete.
func takeCluster(ctx context.Context, cfg server.Config) (c *pg.Cluster, refill func(), err error) {
	t, err := server.LoadTemplate(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	p := poolOf(t)
	if c = p.TakeReady(); c == nil {
		c, err = p.Take(ctx)
	}
	return c, p.Fill, err
}

func poolOf(t *pg.Template) *pg.Pool {
	pools.Lock()
	defer pools.Unlock()
	p := pools.byKey[t.Key()]
	if p == nil {
		if pools.byKey == nil {
			pools.byKey = map[string]*pg.Pool{}
		}
		p = pg.NewPool(pg.Config{Template: t}, poolDepth())
		pools.byKey[t.Key()] = p
	}
	return p
}

// pooled tells whether a database that was made ready is what c asks for. The
// server starts any other by itself.
func pooled(c server.Config) bool {
	return c.Cluster == nil && c.From == nil && c.Snapshot == "" && c.Database.URL == "" && c.Database.DataDir == "" && c.Database.Port == 0 && c.Database.ListenAddr == "127.0.0.1"
}

// Main runs the tests of m and then ends the databases that were made ready
// and not used. A TestMain that calls it leaves no process for the watchdog to
// end:
//
//	func TestMain(m *testing.M) { os.Exit(suparusttest.Main(m)) }
//
// Without it they end with the test process all the same.
func Main(m *testing.M) int {
	code := m.Run()
	if err := closePools(); err != nil && code == 0 {
		println("suparusttest:", err.Error())
		return 1
	}
	return code
}

func closePools() error {
	pools.Lock()
	all := pools.byKey
	pools.byKey = nil
	pools.Unlock()
	var errs []error
	for _, p := range all {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
