package storage

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// uploadLockTimeout is how long a request waits for the one before it.
	uploadLockTimeout = 5 * time.Second
	// uploadDrain is how long a request may go on once another waits.
	uploadDrain = 3 * time.Second
	// interruptEvery is how often a body's reader is woken up until it ends.
	interruptEvery = 20 * time.Millisecond
)

// uploadLocks let one request of this process at a time change an upload.
// Those of other processes are kept away by shared, or else by the
// blob.Uploads.
type uploadLocks struct {
	shared *sharedLocks // nil where it is not needed

	mu   sync.Mutex
	held map[string]*uploadLock
}

// uploadLock is held by one request.
type uploadLock struct {
	locks    *uploadLocks
	version  string
	released chan struct{}
	asked    chan struct{} // closed when another request waits
	ask      func()
	conn     *lockConn // that keeps other processes away; nil where none does
}

// take is the lock of an upload in this process, or else the one that another
// request holds.
func (l *uploadLocks) take(version string) (mine, others *uploadLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, ok := l.held[version]; ok {
		return nil, other
	}
	lock := &uploadLock{locks: l, version: version, released: make(chan struct{}), asked: make(chan struct{})}
	lock.ask = sync.OnceFunc(func() { close(lock.asked) })
	if l.held == nil {
		l.held = map[string]*uploadLock{}
	}
	l.held[version] = lock
	return lock, nil
}

// acquire takes the lock of an upload, after asking another that holds it to
// end.
func (l *uploadLocks) acquire(ctx context.Context, version string) (*uploadLock, error) {
	if l.shared == nil {
		if lock, _ := l.take(version); lock != nil {
			return lock, nil
		}
	}
	waiting, cancel := context.WithTimeout(ctx, uploadLockTimeout)
	defer cancel()
	lock, err := l.acquireHere(waiting, version)
	if err == nil && l.shared != nil {
		if lock.conn, err = l.shared.acquire(waiting, version); err != nil {
			lock.releaseHere()
		}
	}
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		err = errLockTimeout(err)
	}
	return lock, err
}

func (l *uploadLocks) acquireHere(ctx context.Context, version string) (*uploadLock, error) {
	for {
		lock, other := l.take(version)
		if lock != nil {
			return lock, nil
		}
		other.ask()
		select {
		case <-other.released:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryAcquire takes the lock of an upload when nobody has it; nil otherwise.
func (l *uploadLocks) tryAcquire(ctx context.Context, version string) (*uploadLock, error) {
	lock, _ := l.take(version)
	if lock == nil || l.shared == nil {
		return lock, nil
	}
	conn, got, err := l.shared.try(ctx, version)
	if !got {
		lock.releaseHere()
		return nil, err
	}
	lock.conn = conn
	return lock, nil
}

// wanted asks the request that holds an upload to end.
func (l *uploadLocks) wanted(version string) {
	l.mu.Lock()
	lock := l.held[version]
	l.mu.Unlock()
	if lock != nil {
		lock.ask()
	}
}

// while is a context for a change that must end when the lock is lost: with
// the connection that holds it.
func (l *uploadLock) while(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func() bool { return true }
	if l.conn != nil {
		stop = context.AfterFunc(l.conn.ended, func() {
			cancel(errLockLost)
			l.ask()
		})
	}
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

var errLockLost = errors.New("the connection that holds the upload's lock was lost")

func (l *uploadLock) release() {
	if l.conn != nil {
		l.conn.unlock(l.version)
	}
	l.releaseHere()
}

func (l *uploadLock) releaseHere() {
	l.locks.mu.Lock()
	defer l.locks.mu.Unlock()
	delete(l.locks.held, l.version)
	close(l.released)
}

// guardedBody is a request's body that ends in errStopped some time after
// another request has asked for the upload.
type guardedBody struct {
	io.Reader
	stopped atomic.Bool
	done    chan struct{}
	watch   sync.WaitGroup
}

// guard watches over the body of the request that holds the lock, until its
// end is called.
func (l *uploadLock) guard(w http.ResponseWriter, body io.Reader) *guardedBody {
	b := &guardedBody{Reader: body, done: make(chan struct{})}
	b.watch.Go(func() {
		select {
		case <-l.asked:
			b.interrupt(http.NewResponseController(w))
		case <-b.done:
		}
	})
	return b
}

// interrupt lets the body end by itself for a while, and then ends it. A
// reader that waits sets a deadline of its own, which is why one is not enough.
func (b *guardedBody) interrupt(conn *http.ResponseController) {
	next := time.NewTimer(uploadDrain)
	defer next.Stop()
	for {
		select {
		case <-b.done:
			return
		case now := <-next.C:
			b.stopped.Store(true)
			_ = conn.SetReadDeadline(now) // a connection without one is read to its end
			next.Reset(interruptEvery)
		}
	}
}

func (b *guardedBody) Read(p []byte) (int, error) {
	if b.stopped.Load() {
		return 0, errStopped
	}
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF && b.stopped.Load() {
		err = errStopped
	}
	return n, err
}

// end stops watching. The connection is the server's again.
func (b *guardedBody) end() {
	close(b.done)
	b.watch.Wait()
}
