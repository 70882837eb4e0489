package pg

import (
	"context"
	"errors"
	"sync"
)

// ErrPoolClosed is returned by Take after Close.
var ErrPoolClosed = errors.New("pg: the pool is closed")

// Pool keeps ephemeral clusters ready, so that a test that follows another need not wait for its own. No cluster is
// handed out twice. The first Take starts its cluster itself; from then on the pool fills in the background.
type Pool struct {
	cfg    Config
	depth  int
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // background starts

	mu       sync.Mutex
	ready    []*Cluster
	waiters  []chan *Cluster // Takes that wait for a background start; a closed channel means: start one yourself
	starting int
	closed   bool
}

// NewPool returns a pool that keeps up to depth clusters ready. It starts nothing yet.
func NewPool(c Config, depth int) *Pool {
	c.Port = 0
	c.DataDir = ""
	ctx, cancel := context.WithCancel(context.Background())
	return &Pool{cfg: c, depth: max(depth, 0), ctx: ctx, cancel: cancel}
}

// Take returns a cluster that nobody else has or gets; the caller stops it.
func (p *Pool) Take(ctx context.Context) (*Cluster, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrPoolClosed
	}
	if c := p.takeReady(); c != nil {
		p.fill()
		p.mu.Unlock()
		return c, nil
	}
	if p.starting > len(p.waiters) { // one is under way for us
		w := make(chan *Cluster, 1)
		p.waiters = append(p.waiters, w)
		p.fill()
		p.mu.Unlock()
		return p.await(ctx, w)
	}
	p.mu.Unlock()
	return p.startNow(ctx)
}

// TakeReady returns a cluster that waits, or nil when none does. It starts no other in its place: call Fill when what the
// cluster is wanted for has begun, so that the copying does not compete with it.
func (p *Pool) TakeReady() *Cluster {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.takeReady()
}

// Waiting tells how many clusters are ready, and how many Takes wait for one.
func (p *Pool) Waiting() (ready, takes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ready), len(p.waiters)
}

// SetDepth changes how many clusters are kept ready. Those that are too many are stopped in the background; those that
// are too few are started by the next Take or Fill.
func (p *Pool) SetDepth(depth int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.depth = max(depth, 0)
	if p.closed {
		return
	}
	for len(p.ready) > p.depth {
		c := p.ready[0]
		p.ready = p.ready[1:]
		p.wg.Go(func() { _ = c.Stop() }) // nobody is there to hear of its error
	}
}

// Fill starts clusters in the background until the pool has its depth again.
func (p *Pool) Fill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill()
}

// takeReady is called with mu held.
func (p *Pool) takeReady() *Cluster {
	for len(p.ready) > 0 {
		c := p.ready[0]
		p.ready = p.ready[1:]
		if c.alive() {
			return c
		}
		p.wg.Go(func() { _ = c.Stop() }) // it died while it waited; only its directory is left
	}
	return nil
}

// startNow starts a cluster for the caller, and the background filling after it, so that the two do not compete.
func (p *Pool) startNow(ctx context.Context) (*Cluster, error) {
	c, err := Start(ctx, p.cfg)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fill()
	return c, nil
}

func (p *Pool) await(ctx context.Context, w chan *Cluster) (*Cluster, error) {
	select {
	case c, ok := <-w:
		if ok {
			return c, nil
		}
		if p.ctx.Err() != nil {
			return nil, ErrPoolClosed
		}
		return p.startNow(ctx) // the background start failed: the caller shall see why
	case <-ctx.Done():
		p.giveUp(w)
		return nil, ctx.Err()
	}
}

// giveUp takes a waiter off the list; a cluster that came at the same moment goes back.
func (p *Pool) giveUp(w chan *Cluster) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.waiters {
		if other == w {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			return
		}
	}
	if c, ok := <-w; ok {
		p.deliver(c)
	}
}

// fill starts background starts until enough clusters are ready, wanted or on their way. It is called with mu held.
func (p *Pool) fill() {
	for !p.closed && len(p.ready)+p.starting < p.depth+len(p.waiters) {
		p.starting++
		p.wg.Go(p.startOne)
	}
}

func (p *Pool) startOne() {
	c, err := Start(p.ctx, p.cfg)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	if err == nil {
		p.deliver(c)
		return
	}
	if len(p.waiters) > 0 {
		close(p.waiters[0])
		p.waiters = p.waiters[1:]
	}
}

// deliver gives a cluster to who waits longest, or keeps it. It is called with mu held.
func (p *Pool) deliver(c *Cluster) {
	switch {
	case p.closed:
		p.wg.Go(func() { _ = c.Stop() }) // nobody is left to hear of its error
	case len(p.waiters) > 0:
		p.waiters[0] <- c
		p.waiters = p.waiters[1:]
	case len(p.ready) >= p.depth:
		p.wg.Go(func() { _ = c.Stop() }) // it is no longer wanted
	default:
		p.ready = append(p.ready, c)
	}
}

// Close stops the clusters nobody took and waits for everything the pool has begun. Clusters taken stay their takers'.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	p.cancel()
	rest := p.ready
	p.ready = nil
	for _, w := range p.waiters {
		close(w)
	}
	p.waiters = nil
	p.mu.Unlock()
	errs := make([]error, len(rest))
	var stops sync.WaitGroup
	for i, c := range rest {
		stops.Go(func() { errs[i] = c.Stop() })
	}
	stops.Wait()
	p.wg.Wait()
	return errors.Join(errs...)
}

// alive tells whether the server process still runs.
func (c *Cluster) alive() bool {
	select {
	case <-c.Exited():
		return false
	default:
		return true
	}
}
