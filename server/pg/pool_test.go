//go:build unix

package pg

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestPool(t *testing.T) {
	t.Parallel()
	p := NewPool(Config{Template: testTemplate(t)}, 2)
	seen := map[string]bool{}
	var dirs []string
	for range 4 {
		cl, err := p.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if seen[cl.Dir()] {
			t.Error("a cluster was handed out twice")
		}
		seen[cl.Dir()] = true
		dirs = append(dirs, cl.Dir())
		queryString(t, cl, "authenticator", "postgres", "select count(*)::text from notes")
		if err := cl.Stop(); err != nil {
			t.Error(err)
		}
	}
	eventually(t, 20*time.Second, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.ready) != 2 {
			return errors.New("the pool does not fill")
		}
		return nil
	})
	p.mu.Lock()
	waiting := p.ready[0]
	for _, cl := range p.ready {
		dirs = append(dirs, cl.Dir())
	}
	p.mu.Unlock()
	if err := waiting.srv.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-waiting.Exited()
	cl, err := p.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cl == waiting {
		t.Error("a dead cluster was handed out")
	}
	if err := errors.Join(cl.Stop(), p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	if _, err := p.Take(t.Context()); !errors.Is(err, ErrPoolClosed) {
		t.Errorf("got %v", err)
	}
	for _, d := range dirs {
		if exists(d) {
			t.Errorf("%s is left", d)
		}
	}
}

// TestPoolDepth has a pool grow and shrink.
func TestPoolDepth(t *testing.T) {
	t.Parallel()
	p := NewPool(Config{Template: testTemplate(t)}, 0)
	holds := func(want int) {
		t.Helper()
		eventually(t, 20*time.Second, func() error {
			p.mu.Lock()
			defer p.mu.Unlock()
			if len(p.ready) != want || p.starting > 0 {
				return fmt.Errorf("%d clusters are ready and %d on their way, want %d", len(p.ready), p.starting, want)
			}
			return nil
		})
	}
	p.SetDepth(3)
	p.Fill()
	holds(3)
	p.mu.Lock()
	all := append([]*Cluster(nil), p.ready...)
	p.mu.Unlock()
	p.SetDepth(1)
	holds(1)
	for _, cl := range all[:2] {
		eventually(t, 20*time.Second, func() error {
			if exists(cl.Dir()) {
				return errors.New("a cluster that is no longer wanted is left")
			}
			return nil
		})
	}
	p.SetDepth(3)
	p.Fill()
	p.SetDepth(0) // while they start
	holds(0)
	cl, err := p.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(cl.Stop(), p.Close()); err != nil {
		t.Error(err)
	}
	p.SetDepth(1)
	p.Fill()
	holds(0) // it is closed
}

func TestPoolParallelTakesAndErrors(t *testing.T) {
	t.Parallel()
	tmpl := testTemplate(t)
	p := NewPool(Config{Template: tmpl}, 1)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			cl, err := p.Take(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if err := cl.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := p.Close(); err != nil {
		t.Error(err)
	}

	bad := NewPool(Config{Template: tmpl, FirstUser: "who"}, 1)
	defer bad.Close()
	_, err := bad.Take(t.Context())
	wantError(t, err, `role "who" does not exist`)
}
