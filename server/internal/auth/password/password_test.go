package password_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/suparust/suparust/server/internal/auth/password"
)

// firebaseHash is the example of Firebase's own scrypt documentation, for the password "user1password".
const firebaseHash = "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==," +
	"sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==" +
	"$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="

func cheap(t testing.TB) *password.Hasher {
	t.Helper()
	h, err := password.New(password.CheapCost(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHashIsArgon2idInPHCForm(t *testing.T) {
	h, err := password.New(password.Cost{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.Hash(context.Background(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Hash(context.Background(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	if a == b {
		t.Error("two hashes of one password are equal: the salt is missing")
	}
	if want := "$argon2id$v=19$m=19456,t=2,p=1$"; !strings.HasPrefix(a, want) {
		t.Errorf("got %q, want it to start with %q", a, want)
	}
	if len(a) > 255 {
		t.Errorf("%d characters do not fit into varchar(255)", len(a))
	}
	ok, outdated, err := h.Verify(context.Background(), a, "secret")
	if !ok || outdated || err != nil {
		t.Errorf("own hash: ok=%v outdated=%v err=%v", ok, outdated, err)
	}
	if ok, _, _ := h.Verify(context.Background(), a, "Secret"); ok {
		t.Error("a wrong password was accepted")
	}
}

//covers:auth 162
func TestVerifyForeignHashes(t *testing.T) {
	bc, err := bcrypt.GenerateFromPassword([]byte("pässword"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ hash, password string }{
		"bcrypt 2a":     {string(bc), "pässword"},
		"bcrypt 2b":     {"$2b" + string(bc)[3:], "pässword"},
		"bcrypt 2y":     {"$2y" + string(bc)[3:], "pässword"},
		"argon2i":       {"$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$ucQB0YRKZ9UOrjln3CiHCyLlCAkuhho3", "password"},
		"firebase":      {firebaseHash, "user1password"},
		"argon2id weak": {"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$ZVrRXqxlLcWfcXCnMyv0m4Rpvh/bnCi7", "password"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := password.New(password.Cost{Memory: 128, Time: 2, Threads: 1}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := password.Check(c.hash); err != nil {
				t.Fatal(err)
			}
			ok, outdated, err := h.Verify(context.Background(), c.hash, c.password)
			if err != nil || !ok || !outdated {
				t.Errorf("right password: ok=%v outdated=%v err=%v, want true true nil", ok, outdated, err)
			}
			ok, outdated, err = h.Verify(context.Background(), c.hash, c.password+"x")
			if err != nil || ok || outdated {
				t.Errorf("wrong password: ok=%v outdated=%v err=%v, want false false nil", ok, outdated, err)
			}
		})
	}
}

func TestStrongerHashIsKept(t *testing.T) {
	strong, err := password.New(password.Cost{Memory: 256, Time: 3, Threads: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := strong.Hash(context.Background(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	ok, outdated, err := cheap(t).Verify(context.Background(), hash, "secret")
	if !ok || outdated || err != nil {
		t.Errorf("ok=%v outdated=%v err=%v: a stronger hash must be kept", ok, outdated, err)
	}
}

func TestBcryptMode(t *testing.T) {
	h, err := password.New(password.Cost{Bcrypt: bcrypt.MinCost}, 0)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := h.Hash(context.Background(), "secret")
	if err != nil || !strings.HasPrefix(hash, "$2a$04$") {
		t.Fatalf("hash %q err %v", hash, err)
	}
	if ok, outdated, err := h.Verify(context.Background(), hash, "secret"); !ok || outdated || err != nil {
		t.Errorf("ok=%v outdated=%v err=%v", ok, outdated, err)
	}
	if _, err := password.New(password.Cost{Bcrypt: 99}, 0); err == nil {
		t.Error("a bcrypt cost of 99 was accepted")
	}
}

//covers:auth 162
func TestUnknownForms(t *testing.T) {
	const salt, sum = "c29tZXNhbHQ", "RdescudvJCsgt3ub+b4dWRWJTmaaJObG"
	for _, hash := range []string{
		"", "plain", "$2a$10$short", "$1$md5crypt$x",
		"$argon2d$v=19$m=64,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,p=1,keyid=abc$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,p=1,data=abc$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,t=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=0,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=1048577,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=4294967297,t=1,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=21,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,p=17$" + salt + "$" + sum,
		"$argon2id$v=19$m=64,t=1,p=1$$" + sum,
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$",
		"$argon2id$v=19$m=64,t=1,p=1$" + salt + "$!!!",
		strings.Replace(firebaseHash, "v=1,", "v=2,", 1),
		strings.Replace(firebaseHash, "n=14", "n=0", 1),
		strings.Replace(firebaseHash, "n=14", "n=21", 1),
		strings.Replace(firebaseHash, "n=14,r=8", "n=20,r=64", 1),
		strings.Replace(firebaseHash, "p=1,", "p=0,", 1),
		strings.Replace(firebaseHash, "sk=", "xx=", 1),
		"$argon2id$" + strings.Repeat("x", 5000),
	} {
		if err := password.Check(hash); !errors.Is(err, password.ErrUnknownHash) {
			t.Errorf("Check(%.60q) = %v, want ErrUnknownHash", hash, err)
		}
		ok, outdated, err := cheap(t).Verify(context.Background(), hash, "x")
		if ok || outdated || !errors.Is(err, password.ErrUnknownHash) {
			t.Errorf("Verify(%.60q) = %v %v %v, want false false ErrUnknownHash", hash, ok, outdated, err)
		}
	}
}

// A burst of sign-ins must not take more memory than the budget: with one
// place and a context that ends, the others give up instead of piling up.
func TestParallelismIsBounded(t *testing.T) {
	h, err := password.New(password.Cost{Memory: 32 << 10, Time: 3, Threads: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var done, gaveUp int
	for range 64 {
		wg.Go(func() {
			_, err := h.Hash(ctx, "secret")
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, context.DeadlineExceeded) {
				gaveUp++
			} else if err == nil {
				done++
			}
		})
	}
	wg.Wait()
	if gaveUp == 0 || done == 0 || gaveUp+done != 64 {
		t.Errorf("%d finished, %d gave up: with one place of about 60 ms each, 64 cannot all finish within 100 ms", done, gaveUp)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(firebaseHash)
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG")
	f.Add("$argon2id$v=19$m=1,t=1,p=1$$")
	f.Add("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
	f.Add("$fbscrypt$$$")
	f.Fuzz(func(t *testing.T, s string) {
		if err := password.Check(s); err != nil && !errors.Is(err, password.ErrUnknownHash) {
			t.Errorf("an error of another kind: %v", err)
		}
	})
}
