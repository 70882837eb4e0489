package rest

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what waits for a client between PostgreSQL and the network.
const (
	spoolChunk  = 64 << 10
	spoolMemory = 1 << 20 // of one answer; what is more waits in a file
	spoolFiles  = 1 << 30 // of all answers together
	spoolWait   = 10 * time.Second
)

// errSpoolFull says that too much already waits for slow clients.
var errSpoolFull = errors.New("the answers that wait for slow clients take too much room")

// spool is a pipe that does not make its writer wait for its reader, so that
// the database is done with an answer however slowly the client takes it. A
// little of it is held in memory, more in a file without a name.
type spool struct {
	files *atomic.Int64 // bytes in the files of all spools
	most  int64         // of them
	wait  time.Duration // how long the writer waits when there are as many

	mu          sync.Mutex
	moved       sync.Cond
	chunks      [][]byte
	memory      int
	file        *os.File
	named       bool  // the file has a name still
	start, end  int64 // what of the file is still to be read
	writing     bool  // the writer is about to append to the file
	done        bool
	err         error // why there is no more, nil at the end
	abandoned   bool
	free        [][]byte
	fileWritten int64 // in all, for tests
}

func newSpool(files *atomic.Int64) *spool {
	s := &spool{files: files, most: spoolFiles, wait: spoolWait}
	s.moved.L = &s.mu
	return s
}

// chunk gives an empty buffer to fill.
func (s *spool) chunk() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		return c[:0]
	}
	return make([]byte, 0, spoolChunk+spoolChunk/4)
}

// recycle keeps a buffer of the usual size: what of the file is read at once
// fits into each of them.
func (s *spool) recycle(c []byte) {
	if cap(c) >= spoolChunk && cap(c) <= 2*spoolChunk && len(s.free) < 4 {
		s.free = append(s.free, c)
	}
}

// put takes a chunk over.
func (s *spool) put(c []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.abandoned {
		return io.ErrClosedPipe
	}
	if s.start == s.end && s.memory < spoolMemory {
		s.chunks = append(s.chunks, c)
		s.memory += len(c)
		s.moved.Broadcast()
		return nil
	}
	n := int64(len(c))
	if s.files.Add(n) > s.most {
		s.files.Add(-n)
		return s.putLater(c)
	}
	return s.putFile(c)
}

// putLater waits until there is room in memory.
func (s *spool) putLater(c []byte) error {
	late := false
	t := time.AfterFunc(s.wait, func() {
		s.mu.Lock()
		late = true
		s.mu.Unlock()
		s.moved.Broadcast()
	})
	defer t.Stop()
	for !s.abandoned && !late && (s.start != s.end || s.memory >= spoolMemory) {
		s.moved.Wait()
	}
	switch {
	case s.abandoned:
		return io.ErrClosedPipe
	case late:
		return errSpoolFull
	}
	s.chunks = append(s.chunks, c)
	s.memory += len(c)
	s.moved.Broadcast()
	return nil
}

// putFile appends to the file; its bytes are counted already.
func (s *spool) putFile(c []byte) error {
	n := int64(len(c))
	if s.file == nil {
		f, err := os.CreateTemp("", "suparust-answer-")
		if err != nil {
			s.files.Add(-n)
			return err
		}
		s.file = f
		s.named = os.Remove(f.Name()) != nil // where an open file cannot be removed it is when it is closed
	}
	at := s.end
	s.writing = true
	s.mu.Unlock()
	_, err := s.file.WriteAt(c, at)
	s.mu.Lock()
	s.writing = false
	if err != nil {
		s.files.Add(-n)
		return err
	}
	s.end += n
	s.fileWritten += n
	s.recycle(c)
	s.moved.Broadcast()
	return nil
}

// finish says that nothing more comes, and why.
func (s *spool) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.err = true, err
	s.moved.Broadcast()
}

// take waits for what comes next; it is to be given back. At the end it
// returns io.EOF; what finish was told it returns at once.
func (s *spool) take() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.done && s.err != nil:
			return nil, s.err
		case len(s.chunks) > 0:
			c := s.chunks[0]
			s.chunks = s.chunks[1:]
			s.memory -= len(c)
			s.moved.Broadcast()
			return c, nil
		case s.start < s.end:
			return s.takeFile()
		case s.done:
			return nil, io.EOF
		}
		s.moved.Wait()
	}
}

func (s *spool) takeFile() ([]byte, error) {
	size := min(s.end-s.start, spoolChunk)
	var c []byte
	if n := len(s.free); n > 0 {
		c = s.free[n-1][:size]
		s.free = s.free[:n-1]
	} else {
		c = make([]byte, size, spoolChunk)
	}
	at := s.start
	s.mu.Unlock()
	_, err := s.file.ReadAt(c, at)
	s.mu.Lock()
	if err != nil {
		return nil, err
	}
	s.start += int64(len(c))
	if s.start == s.end && !s.writing { // begin anew
		s.files.Add(-s.end)
		s.start, s.end = 0, 0
		err = s.file.Truncate(0)
	}
	s.moved.Broadcast()
	return c, err
}

// give returns what take gave.
func (s *spool) give(c []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recycle(c)
}

// abandon says that nobody reads any more: put fails from now on.
func (s *spool) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandoned = true
	s.moved.Broadcast()
}

// close lets the file go; writer and reader have ended.
func (s *spool) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return
	}
	s.files.Add(-s.end)
	s.start, s.end = 0, 0
	_ = s.file.Close() // nobody needs its contents
	if s.named {
		_ = os.Remove(s.file.Name())
	}
	s.file = nil
}
