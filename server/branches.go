package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/suparust/suparust/server/internal/control"
	"github.com/suparust/suparust/server/pg"
)

// maxBranches bounds how many branches of a server live at once, those of its
// branches among them.
const maxBranches = 100

// branchesReady is how many databases wait for the next branches.
const branchesReady = 2

// branchPatience is how long the requests of a branch that is ended may take.
const branchPatience = 5 * time.Second

// branches are the servers that were made from this one through the control
// API.
type branches struct {
	parent *Server
	room   chan struct{} // one for each that lives or is being made; branches of branches share it

	mu     sync.Mutex
	all    map[string]*branch
	closed bool
	pools  map[bool]*branchPool // without and with Config.SQLClock; made when the first is asked for
	work   sync.WaitGroup       // of those that are being made, and of pools that nobody needs any more
}

// branchPool holds databases that begin as the project.
type branchPool struct {
	*pg.Pool
	key string // of its template: the project may change
}

type branch struct {
	server *Server
	about  control.Branch
	expiry *time.Timer // nil without a lease
	ending bool        // it can no longer be renewed
	once   sync.Once
	err    error
}

func newBranches(s *Server) *branches {
	room := s.cfg.branchRoom
	if room == nil {
		room = make(chan struct{}, maxBranches)
	}
	return &branches{parent: s, room: room, all: map[string]*branch{}, pools: map[bool]*branchPool{}}
}

// branchConfig is the configuration of a branch: that of its parent, on free
// ports and with a database, files and a control token of its own.
func (s *Server) branchConfig(id string, sqlClock bool) Config {
	c := s.cfg
	quickstart := c.Quickstart
	c.Ephemeral()
	c.Quickstart = quickstart
	c.Mailbox, c.Cluster, c.Progress, c.From, c.Snapshot = nil, nil, nil, nil, ""
	c.HTTP, c.Trace = s.given.http, s.given.trace
	c.ControlToken, c.branchRoom = "", s.branches.room
	c.Now = s.clock.base // it has a clock of its own, which begins at the real time
	c.SQLClock = sqlClock || c.SQLClock
	c.Logger = c.Logger.With("branch", id)
	return c
}

// Create starts a branch. See control.Branches.
func (b *branches) Create(ctx context.Context, r control.BranchRequest) (control.Branch, error) {
	if err := b.begin(); err != nil {
		return control.Branch{}, err
	}
	defer b.work.Done()
	x, err := b.start(ctx, r)
	if err != nil {
		<-b.room
		return control.Branch{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[x.about.ID] = x
	b.renew(x, r.Lease)
	return x.about, nil
}

// begin makes room for a branch and notes that it is being made.
func (b *branches) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errors.New("the server is ending")
	}
	select {
	case b.room <- struct{}{}:
		b.work.Add(1)
		return nil
	default:
		return control.Refusal{Message: fmt.Sprintf("%d branches are alive: end some, or give them shorter leases", cap(b.room))}
	}
}

// start makes a branch, of which nothing is left after an error.
func (b *branches) start(ctx context.Context, r control.BranchRequest) (*branch, error) {
	id := strings.ToLower(rand.Text()[:12])
	cfg := b.parent.branchConfig(id, r.SQLClock)
	if err := cfg.validateSQLClock(); err != nil {
		return nil, control.Refusal{Message: err.Error()}
	}
	release, err := b.origin(ctx, &cfg, r)
	if err != nil {
		return nil, err
	}
	defer release()
	srv, err := New(cfg)
	if err == nil {
		err = srv.Start(ctx)
	} else if cfg.Cluster != nil {
		err = errors.Join(err, cfg.Cluster.Stop())
	}
	if err != nil {
		return nil, fmt.Errorf("start the branch: %w", err)
	}
	x := &branch{server: srv, about: control.Branch{ID: id, ControlURL: srv.ControlURL(), ControlToken: srv.ControlToken(), Created: time.Now().UTC()}}
	if x.about.Instance, err = srv.instance(); err != nil {
		return nil, errors.Join(err, x.end())
	}
	return x, nil
}

// origin gives a branch the database that it begins with. release is for when
// the branch has started.
func (b *branches) origin(ctx context.Context, cfg *Config, r control.BranchRequest) (release func(), err error) {
	switch {
	case r.Snapshot != "":
		cfg.From, err = b.parent.snapshots.open(r.Snapshot)
		if errors.Is(err, ErrNoSnapshot) {
			err = control.Refusal{Message: err.Error()}
		}
		return func() {}, asControl(err)
	case r.From == "current":
		if b.parent.Cluster() == nil {
			return nil, control.Refusal{Message: `the database is not the server's own, and cannot be copied: make the branch from "project"`}
		}
		if cfg.From, err = b.parent.Snapshot(ctx, ""); err != nil {
			return nil, err
		}
		from := cfg.From
		return func() {
			if err := from.Remove(); err != nil {
				b.parent.cfg.Logger.Warn("what a branch began with was not removed", "error", err)
			}
		}, nil
	}
	if cfg.project != nil {
		if cfg.project, err = cfg.project.Reread(); err != nil {
			return nil, control.Refusal{Message: err.Error()}
		}
	}
	t, err := LoadTemplate(ctx, *cfg)
	if err != nil {
		return nil, err
	}
	pool, err := b.poolOf(t, cfg.SQLClock)
	if err != nil {
		return nil, err
	}
	if cfg.Cluster = pool.TakeReady(); cfg.Cluster == nil {
		cfg.Cluster, err = pool.Take(ctx)
	}
	if errors.Is(err, pg.ErrPoolClosed) { // the project has changed meanwhile, or the server is ending
		return b.origin(ctx, cfg, r)
	}
	return pool.Fill, err
}

// poolOf is the pool of a template. One that the project has outgrown is
// closed: who would still take from it takes from the next one.
func (b *branches) poolOf(t *pg.Template, sqlClock bool) (*branchPool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errors.New("the server is ending")
	}
	old := b.pools[sqlClock]
	if old != nil && old.key == t.Key() {
		return old, nil
	}
	if old != nil {
		b.work.Go(func() { b.closePool(old) })
	}
	p := &branchPool{key: t.Key(), Pool: pg.NewPool(pg.Config{Template: t, FirstUser: apiUser, Logger: b.parent.cfg.Logger}, branchesReady)}
	b.pools[sqlClock] = p
	return p, nil
}

func (b *branches) closePool(p *branchPool) {
	if err := p.Close(); err != nil {
		b.parent.cfg.Logger.Warn("databases that waited for branches did not end in an orderly way", "error", err)
	}
}

// List lists the branches, the oldest first.
func (b *branches) List() []control.Branch {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []control.Branch
	for _, x := range b.all {
		if !x.ending {
			list = append(list, x.about)
		}
	}
	slices.SortFunc(list, func(x, y control.Branch) int {
		return cmp.Or(x.Created.Compare(y.Created), strings.Compare(x.ID, y.ID))
	})
	return list
}

// Renew gives a branch another lease.
func (b *branches) Renew(id string, lease time.Duration) (control.Branch, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.all[id]
	if x == nil || x.ending {
		return control.Branch{}, false
	}
	b.renew(x, lease)
	return x.about, true
}

// renew ends the branch when the lease is over; 0 never does.
func (b *branches) renew(x *branch, lease time.Duration) {
	if x.expiry != nil {
		x.expiry.Stop()
		x.expiry, x.about.Expires = nil, nil
	}
	if lease <= 0 {
		return
	}
	at := time.Now().Add(lease).UTC()
	x.about.Expires = &at
	var timer *time.Timer
	timer = time.AfterFunc(lease, func() {
		b.mu.Lock()
		over := x.expiry == timer // it was not renewed at the last moment
		x.ending = x.ending || over
		b.mu.Unlock()
		if !over {
			return
		}
		if _, err := b.End(context.Background(), x.about.ID); err != nil {
			b.parent.cfg.Logger.Warn("a branch whose lease was over did not end in an orderly way", "branch", x.about.ID, "error", err)
		}
	})
	x.expiry = timer
}

// End ends a branch and returns when nothing of it is left.
func (b *branches) End(_ context.Context, id string) (ok bool, err error) {
	b.mu.Lock()
	x := b.all[id]
	if x != nil {
		x.ending = true
		if x.expiry != nil {
			x.expiry.Stop()
		}
	}
	b.mu.Unlock()
	if x == nil {
		return false, nil
	}
	err = x.end()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all[id] == x { // not by another call
		delete(b.all, id)
		<-b.room
	}
	return true, err
}

func (x *branch) end() error {
	x.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), branchPatience)
		defer cancel()
		x.err = x.server.Shutdown(ctx)
	})
	return x.err
}

// close ends all branches, those that are being made too.
func (b *branches) close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.work.Wait()
	b.mu.Lock()
	ids := slices.Collect(maps.Keys(b.all))
	b.mu.Unlock()
	errs := make([]error, len(ids), len(ids)+len(b.pools))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { _, errs[i] = b.End(context.Background(), id) })
	}
	wg.Wait()
	for _, p := range b.pools {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
