package suparusttest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/server/pg"
)

// pools keeps databases ready, one pool for each template in use. Their
// processes end with this one, however it ends; Main closes them before.
var pools struct {
	sync.Mutex
	byKey map[string]*pool
}

// pool is the databases of one template that wait for the next tests.
type pool struct {
	*pg.Pool
	depth depth
	idle  *time.Timer
}

// takeCluster returns a fresh database for a server of this configuration.
// refill has the next one made ready; it is for when the server has started,
// for the two would compete.
func takeCluster(ctx context.Context, cfg server.Config) (c *pg.Cluster, refill func(), err error) {
	t, err := server.LoadTemplate(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	p := poolOf(t)
	c = p.TakeReady()
	p.note(c != nil)
	if c == nil {
		c, err = p.Take(ctx)
	}
	return c, p.Fill, err
}

// note has the pool follow what is asked of it.
func (p *pool) note(hit bool) {
	pools.Lock()
	defer pools.Unlock()
	left, waiting := p.Waiting()
	p.depth.found(hit, left, waiting)
	p.SetDepth(p.depth.n)
	p.idle.Reset(idleAfter)
}

// rest stops what waits for nobody.
func (p *pool) rest() {
	pools.Lock()
	defer pools.Unlock()
	p.depth = depth{}
	p.SetDepth(0)
}

func poolOf(t *pg.Template) *pool {
	pools.Lock()
	defer pools.Unlock()
	p := pools.byKey[t.Key()]
	if p == nil {
		if pools.byKey == nil {
			pools.byKey = map[string]*pool{}
		}
		p = &pool{Pool: pg.NewPool(pg.Config{Template: t}, 0)}
		p.idle = time.AfterFunc(idleAfter, p.rest)
		pools.byKey[t.Key()] = p
	}
	return p
}

// pooled tells whether a database that was made ready is what c asks for. The
// server starts any other by itself.
func pooled(c server.Config) bool {
	return c.Cluster == nil && c.From == nil && c.Snapshot == "" && c.Database.URL == "" && c.Database.DataDir == "" && c.Database.Port == 0 && c.Database.ListenAddr == "127.0.0.1"
}

// defaults are the options that every Start begins with.
var defaults []Option

// Main runs the tests of m and then ends the databases that were made ready
// and not used. A TestMain that calls it leaves no process for the watchdog to
// end:
//
//	func TestMain(m *testing.M) { os.Exit(suparusttest.Main(m)) }
//
// Without it they end with the test process all the same. The options are the
// defaults of every Start of the package; a Start's own come after them:
//
//	os.Exit(suparusttest.Main(m, suparusttest.WithPostgres(15), suparusttest.WithFixtures(fixtures.FS, "blog")))
func Main(m *testing.M, opts ...Option) int {
	defaults = opts
	code := m.Run()
	if err := errors.Join(closeShared(), closePools()); err != nil && code == 0 {
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
		p.idle.Stop()
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
