package pg

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// A parent-death signal follows the THREAD that forked, not the process: a child started from a thread of Go's pool dies
// when that thread is retired, in the middle of everything. So every child is started from one goroutine that owns
// its thread and never returns.

type spawnRequest struct {
	cmd  *exec.Cmd
	done chan error
}

var spawner = sync.OnceValue(func() chan<- spawnRequest {
	requests := make(chan spawnRequest)
	go spawnForever(requests)
	return requests
})

func spawnForever(requests <-chan spawnRequest) {
	runtime.LockOSThread()
	for r := range requests {
		r.done <- r.cmd.Start()
	}
}

// spawn starts cmd as the account, in a process group of its own, so that a terminal's ^C does not reach it before our
// own clean-up, and has the kernel send it the signal when this process dies, however it dies.
func spawn(cmd *exec.Cmd, a account, onDeath syscall.Signal) error {
	attr := a.sysProcAttr()
	attr.Setpgid = true
	attr.Pdeathsig = onDeath
	cmd.SysProcAttr = attr
	r := spawnRequest{cmd: cmd, done: make(chan error, 1)}
	spawner() <- r
	return <-r.done
}
