package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/suparust/suparust/server/internal/control"
	"github.com/suparust/suparust/server/pg"
)

// maxBranches bounds how many branches of a server live at once.
const maxBranches = 100

// branchesReady is how many databases wait for the next branches.
const branchesReady = 2

// branchPatience is how long the requests of a branch that is ended may take.
const branchPatience = 5 * time.Second

// branches are the servers that were made from this one through the control
// API.
type branches struct {
	parent *Server

	mu     sync.Mutex
	all    map[string]*branch
	making int
	closed bool
	pools  map[bool]*pg.Pool // of databases that begin as the project, without and with Config.SQLClock; made when the first is asked for
	work   sync.WaitGroup    // of those that are being made
}

type branch struct {
	server *Server
	about  control.Branch
	expiry *time.Timer // nil without a lease
	once   sync.Once
	err    error
}

func newBranches(s *Server) *branches {
	return &branches{parent: s, all: map[string]*branch{}, pools: map[bool]*pg.Pool{}}
}

// branchConfig is the configuration of a branch: that of its parent, on free
// ports and with a database and files of its own.
func (s *Server) branchConfig(id string, sqlClock bool) Config {
	c := s.cfg
	quickstart := c.Quickstart
	c.Ephemeral()
	c.Quickstart = quickstart
	c.Mailbox, c.Cluster, c.Progress, c.From, c.Snapshot = nil, nil, nil, nil, ""
	c.HTTP, c.Trace = s.given.http, s.given.trace
	c.Now = s.clock.base // it has a clock of its own, which begins at the real time
	c.SQLClock = sqlClock || c.SQLClock
	c.Logger = c.Logger.With("branch", id)
	return c
}

// Create starts a branch. See control.Branches.
func (b *branches) Create(ctx context.Context, r control.BranchRequest) (control.Branch, error) {
	id := strings.ToLower(rand.Text()[:12])
	if err := b.begin(); err != nil {
		return control.Branch{}, err
	}
	defer b.made()
	cfg := b.parent.branchConfig(id, r.SQLClock)
	if err := cfg.validateSQLClock(); err != nil {
		return control.Branch{}, control.Refusal{Message: err.Error()}
	}
	release, err := b.origin(ctx, &cfg, r)
	if err != nil {
		return control.Branch{}, err
	}
	defer release()
	srv, err := New(cfg)
	if err == nil {
		err = srv.Start(ctx)
	} else if cfg.Cluster != nil {
		err = errors.Join(err, cfg.Cluster.Stop())
	}
	if err != nil {
		return control.Branch{}, fmt.Errorf("start the branch: %w", err)
	}
	x := &branch{server: srv, about: control.Branch{ID: id, ControlURL: srv.ControlURL(), ControlToken: srv.ControlToken(), Created: time.Now().UTC()}}
	if x.about.Instance, err = srv.instance(); err != nil {
		return control.Branch{}, errors.Join(err, x.end())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all[id] = x
	b.renew(x, r.Lease)
	return x.about, nil
}

// begin makes room for a branch; made is called when it is there or not.
func (b *branches) begin() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return errors.New("the server is ending")
	case len(b.all)+b.making >= maxBranches:
		return control.Refusal{Message: fmt.Sprintf("%d branches are alive: end some, or give them shorter leases", maxBranches)}
	}
	b.making++
	b.work.Add(1)
	return nil
}

func (b *branches) made() {
	b.mu.Lock()
	b.making--
	b.mu.Unlock()
	b.work.Done()
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
	t, err := LoadTemplate(ctx, *cfg)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	if b.pools[cfg.SQLClock] == nil && !b.closed {
		b.pools[cfg.SQLClock] = pg.NewPool(pg.Config{Template: t, FirstUser: apiUser, Logger: b.parent.cfg.Logger}, branchesReady)
	}
	pool := b.pools[cfg.SQLClock]
	b.mu.Unlock()
	if pool == nil {
		return nil, errors.New("the server is ending")
	}
	if cfg.Cluster = pool.TakeReady(); cfg.Cluster == nil {
		cfg.Cluster, err = pool.Take(ctx)
	}
	return pool.Fill, err
}

// List lists the branches, the oldest first.
func (b *branches) List() []control.Branch {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []control.Branch
	for _, x := range b.all {
		list = append(list, x.about)
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
	if x == nil {
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
	x.expiry = time.AfterFunc(lease, func() {
		b.mu.Lock()
		over := x.about.Expires != nil && !time.Now().Before(*x.about.Expires)
		b.mu.Unlock()
		if !over {
			return // it was renewed at the last moment
		}
		if _, err := b.End(context.Background(), x.about.ID); err != nil {
			b.parent.cfg.Logger.Warn("a branch whose lease was over did not end in an orderly way", "branch", x.about.ID, "error", err)
		}
	})
}

// End ends a branch and returns when nothing of it is left.
func (b *branches) End(_ context.Context, id string) (ok bool, err error) {
	b.mu.Lock()
	x := b.all[id]
	if x != nil && x.expiry != nil {
		x.expiry.Stop()
	}
	b.mu.Unlock()
	if x == nil {
		return false, nil
	}
	err = x.end()
	b.mu.Lock()
	delete(b.all, id)
	b.mu.Unlock()
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
	list := b.List()
	errs := make([]error, len(list), len(list)+1)
	var wg sync.WaitGroup
	for i, x := range list {
		wg.Go(func() { _, errs[i] = b.End(context.Background(), x.ID) })
	}
	wg.Wait()
	for _, p := range b.pools {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
