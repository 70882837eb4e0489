//go:build unix

package wake

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Pipe is the named pipe of one cluster.
type Pipe struct {
	file  *os.File
	path  string
	calls calls
	done  sync.WaitGroup
}

// Open makes the pipe in dir, which only PostgreSQL and the server may enter,
// for those named.
func Open(dir string, names ...string) (*Pipe, error) {
	p := &Pipe{path: filepath.Join(dir, Name), calls: calls{}}
	for _, name := range names {
		p.calls[name] = make(chan struct{}, 1)
	}
	if err := syscall.Mkfifo(p.path, 0o600); err != nil {
		return nil, fmt.Errorf("make the pipe %s: %w", p.path, err)
	}
	// PostgreSQL may run as another user; the directory is the guard
	if err := os.Chmod(p.path, 0o622); err != nil {
		return nil, err
	}
	// open for both, so that it is never without a writer and never at its end
	fd, err := syscall.Open(p.path, syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the pipe %s: %w", p.path, err)
	}
	p.file = os.NewFile(uintptr(fd), p.path)
	p.done.Go(p.read)
	return p, nil
}

func (p *Pipe) read() {
	var rest string
	buf := make([]byte, 512)
	for {
		n, err := p.file.Read(buf)
		rest = p.calls.ring(rest + string(buf[:n]))
		if err != nil {
			return
		}
	}
}

// Calls receives when the name has been called since it last did.
func (p *Pipe) Calls(name string) <-chan struct{} { return p.calls[name] }

// Close removes the pipe.
func (p *Pipe) Close() error {
	err := os.Remove(p.path)
	if os.IsNotExist(err) { // with the cluster's directory
		err = nil
	}
	_ = p.file.Close() // nothing is written through it
	p.done.Wait()
	return err
}
