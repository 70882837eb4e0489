//go:build unix

package pg

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// accountMode says how PostgreSQL gets a user that it accepts: it refuses to run as root.
type accountMode int

const (
	asSelf   accountMode = iota // we are an ordinary user, so is PostgreSQL
	asOther                     // we are root, PostgreSQL runs under another uid
	asMapped                    // we are root without the right to change uid: an unprivileged uid in a user namespace of its own, which is us outside
)

// account is the user PostgreSQL runs as. Files of a data directory belong to uid and gid.
type account struct {
	mode accountMode
	uid  int
	gid  int
}

const nobodyID = 65534

// processAccount finds once per process which way works here.
var processAccount = sync.OnceValues(func() (account, error) {
	if os.Geteuid() != 0 {
		return selfAccount(), nil
	}
	return rootAccount(unprivilegedIDs())
})

func selfAccount() account { return account{mode: asSelf, uid: os.Geteuid(), gid: os.Getegid()} }

// rootAccount returns the first of the two ways for root that the kernel lets us go.
func rootAccount(uid, gid int) (account, error) {
	other := account{mode: asOther, uid: uid, gid: gid}
	errOther := probeAccount(other)
	if errOther == nil {
		return other, nil
	}
	mapped := mappedAccount()
	errMapped := probeAccount(mapped)
	if errMapped == nil {
		return mapped, nil
	}
	return account{}, fmt.Errorf("PostgreSQL refuses to run as root, and this process may neither change to uid %d (%w) nor make a user namespace (%w): run suparust as an ordinary user, or give the container the capabilities SETUID, SETGID and CHOWN", uid, errOther, errMapped)
}

func mappedAccount() account { return account{mode: asMapped, uid: os.Geteuid(), gid: os.Getegid()} }

// probeAccount starts a program that does not exist: the change of user comes first, so "no such file" means that it worked.
func probeAccount(a account) error {
	if a.mode == asMapped && !haveUserNamespaces {
		return errors.New("there are none here")
	}
	cmd := exec.Command("/nonexistent/suparust-probe")
	cmd.Err = nil
	cmd.Dir = "/"
	cmd.SysProcAttr = a.sysProcAttr()
	err := cmd.Start()
	if err == nil {
		return cmd.Wait()
	}
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}

// unprivilegedIDs picks a user that is named in /etc/passwd, for initdb looks its own name up: nobody when it is there.
func unprivilegedIDs() (uid, gid int) {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return nobodyID, nobodyID
	}
	defer f.Close()
	uid, gid = nobodyID, nobodyID
	first := true
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		p := strings.Split(sc.Text(), ":")
		if len(p) < 4 {
			continue
		}
		u, err1 := strconv.Atoi(p[2])
		g, err2 := strconv.Atoi(p[3])
		if err1 != nil || err2 != nil || u <= 0 {
			continue
		}
		if u == nobodyID {
			return u, g
		}
		if first {
			uid, gid, first = u, g, false
		}
	}
	return uid, gid
}

// chown gives a path to the account; nothing to do when files are ours already.
func (a account) chown(path string) error {
	if a.mode != asOther {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// fileOwner returns the ids a written file must get, or ok = false when it has them already.
func (a account) fileOwner() (uid, gid int, ok bool) { return a.uid, a.gid, a.mode == asOther }
