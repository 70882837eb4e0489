//go:build unix

package pg

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// freezeLimit is how long a server may stand still: its clients wait for so long.
const freezeLimit = 60 * time.Second

// ErrFrozenTooLong says that a copy was given up because the server would have stood still for too long.
var ErrFrozenTooLong = errors.New("the database could not be copied within " + freezeLimit.String() + ", for which it may stand still: stop the server and save the snapshot then")

// freeze makes every process of a server stand still, so that the files of its data directory are those of one instant:
// what a crash at that instant would leave. The postmaster comes first, and then has no more children. Nobody's
// connection notices more than a pause.
//
// thaw lets them go on. It is called in any case by a timer after freezeLimit, and by the watchdog when this process
// dies; its error is ErrFrozenTooLong when the timer came first.
func freeze(ctx context.Context, postmaster int) (thaw func() error, err error) {
	id := strconv.Itoa(postmaster)
	if err := watchdogFrozen(id); err != nil {
		return nil, err // nobody would let it go on if we died
	}
	var once sync.Once
	var late bool
	release := func(timedOut bool) {
		once.Do(func() {
			late = timedOut
			thawTree(postmaster)
			watchdogThawed(id)
		})
	}
	timer := time.AfterFunc(freezeLimit, func() { release(true) })
	thaw = func() error {
		timer.Stop()
		release(false)
		if late {
			return ErrFrozenTooLong
		}
		return nil
	}
	if err := freezeTree(ctx, postmaster); err != nil {
		return nil, errors.Join(fmt.Errorf("PostgreSQL could not be made to stand still: %w", err), thaw())
	}
	return thaw, nil
}

// freezeTree stops the postmaster, then its children until there is none that is new.
func freezeTree(ctx context.Context, postmaster int) error {
	if err := suspend(ctx, postmaster); err != nil {
		return err
	}
	seen := map[int]bool{}
	for {
		children, err := childrenOf(postmaster)
		if err != nil {
			return err
		}
		fresh := 0
		for _, pid := range children {
			if seen[pid] {
				continue
			}
			seen[pid] = true
			fresh++
			// one that has ended meanwhile writes nothing any more
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		if fresh == 0 {
			break
		}
	}
	for pid := range seen {
		if err := awaitSuspended(ctx, pid); err != nil {
			return err
		}
	}
	return nil
}

func suspend(ctx context.Context, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	return awaitSuspended(ctx, pid)
}

// awaitSuspended waits until a process that was sent SIGSTOP has stopped: what it was writing is then written.
func awaitSuspended(ctx context.Context, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, freezeLimit/2)
	defer cancel()
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		still, err := standsStill(pid)
		if err != nil || still {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("process %d goes on: %w", pid, ctx.Err())
		}
	}
}

// thawTree lets a server's processes go on. Those that run are not disturbed.
func thawTree(postmaster int) {
	// the children first: the postmaster may have to wait for them
	children, _ := childrenOf(postmaster) // without a list there is the postmaster, which can end them
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	_ = syscall.Kill(postmaster, syscall.SIGCONT)
}
