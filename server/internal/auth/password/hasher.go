// Package password hashes passwords for new users and verifies every kind of
// hash that a Supabase project may bring along: Argon2id and Argon2i, bcrypt
// and Firebase's scrypt.
//
// Hashing is deliberately costly in memory and processor time, so a Hasher
// runs only as many computations side by side as its memory budget allows;
// the others wait, or give up when their request does.
package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/semaphore"
)

const (
	saltBytes = 16
	keyBytes  = 32
)

// Cost says how new hashes are made.
type Cost struct {
	// Memory (KiB), Time (passes) and Threads are Argon2id's parameters.
	Memory  uint32
	Time    uint32
	Threads uint8

	// Bcrypt, when not zero, makes bcrypt hashes of this cost instead, for
	// projects whose SQL compares passwords with pgcrypto's crypt().
	Bcrypt int
}

// DefaultCost is what a server that keeps real users' passwords uses.
func DefaultCost() Cost { return Cost{Memory: 19456, Time: 2, Threads: 1} }

// CheapCost makes a hash in microseconds. It protects nothing and is meant
// for test fixtures only.
func CheapCost() Cost { return Cost{Memory: 64, Time: 1, Threads: 1} }

// Hasher makes and verifies hashes. It is safe for concurrent use.
type Hasher struct {
	cost   Cost
	budget int64 // KiB of all computations that run at the same time
	slot   int64 // KiB that one computation is charged at least
	sem    *semaphore.Weighted

	decoyOnce sync.Once
	decoy     string
}

// New returns a Hasher that makes hashes of the given cost; the zero Cost
// means DefaultCost. At most parallel computations run side by side; 0 means
// one for each processor.
func New(cost Cost, parallel int) (*Hasher, error) {
	if cost == (Cost{}) {
		cost = DefaultCost()
	}
	if cost.Bcrypt != 0 {
		if cost.Bcrypt < bcrypt.MinCost || cost.Bcrypt > bcrypt.MaxCost {
			return nil, fmt.Errorf("password: bcrypt cost %d is outside of %d to %d", cost.Bcrypt, bcrypt.MinCost, bcrypt.MaxCost)
		}
	} else if err := checkArgonBounds(uint64(cost.Memory), uint64(cost.Time), uint64(cost.Threads)); err != nil {
		return nil, err
	}
	if parallel <= 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	slot := max(int64(cost.Memory), int64(DefaultCost().Memory))
	return &Hasher{
		cost:   cost,
		slot:   slot,
		budget: slot * int64(parallel),
		sem:    semaphore.NewWeighted(slot * int64(parallel)),
	}, nil
}

// Hash returns the hash of password in the form that is stored. It waits for
// a free place and fails only when ctx ends first or the password cannot be
// hashed at all.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	var out string
	err := h.run(ctx, int64(h.cost.Memory), func() error {
		var err error
		out, err = h.make(password)
		return err
	})
	return out, err
}

func (h *Hasher) make(password string) (string, error) {
	if h.cost.Bcrypt != 0 {
		b, err := bcrypt.GenerateFromPassword([]byte(password), h.cost.Bcrypt)
		return string(b), err
	}
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	a := argonHash{variant: variantID, memory: h.cost.Memory, time: h.cost.Time, threads: h.cost.Threads, salt: salt}
	a.sum = argon2.IDKey([]byte(password), salt, a.time, a.memory, a.threads, keyBytes)
	return a.String(), nil
}

// Verify reports whether password belongs to hash, and whether the hash
// should be replaced by one of the current cost. A hash that cannot be
// understood belongs to no password: that is an ErrUnknownHash, which callers
// treat as a wrong password and may log.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, outdated bool, err error) {
	p, err := parse(hash)
	if err != nil {
		h.VerifyNobody(ctx, password)
		return false, false, err
	}
	err = h.run(ctx, p.memoryKiB(), func() error {
		ok, err = p.matches(password)
		return err
	})
	if err != nil {
		return false, false, err
	}
	return ok, ok && p.weakerThan(h.cost), nil
}

// VerifyNobody takes as long as Verify does for a hash of the current cost.
// It is called where no user exists, so that the time of the answer does not
// tell.
func (h *Hasher) VerifyNobody(ctx context.Context, password string) {
	h.decoyOnce.Do(func() {
		// made outside of the budget, once in a Hasher's life
		h.decoy, _ = h.make("a password that nobody has")
	})
	p, err := parse(h.decoy)
	if err != nil {
		return
	}
	_ = h.run(ctx, p.memoryKiB(), func() error {
		_, err := p.matches(password)
		return err
	})
}

// run charges memory KiB to the budget while fn runs.
func (h *Hasher) run(ctx context.Context, memory int64, fn func() error) error {
	weight := min(max(memory, h.slot), h.budget)
	if err := h.sem.Acquire(ctx, weight); err != nil {
		return err
	}
	defer h.sem.Release(weight)
	return fn()
}

// ErrUnknownHash tells that a stored hash has a form that is not supported.
var ErrUnknownHash = errors.New("password: unknown hash form; bcrypt, Argon2i, Argon2id and Firebase scrypt are supported")

// Check reports whether hash has a supported form. It is asked before an
// imported hash is stored.
func Check(hash string) error {
	_, err := parse(hash)
	return err
}
