//go:build unix

package pg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// openArchive opens the file with the content.
func (s *Snapshot) openArchive() (*os.File, error) {
	return os.Open(filepath.Join(s.dir, s.archiveName()))
}

// extract writes the tree below the name as, which is "." for all that stands below none, to a new directory.
func (s *Snapshot) extract(ctx context.Context, as, to string, owner account) error {
	src, err := s.openArchive()
	if err != nil {
		return err
	}
	defer src.Close()
	return s.extractOver(ctx, src, as, to, owner, fileTree{})
}

// refresh makes the files in a directory that no server uses those of a snapshot without links. What is there and is the
// same stays: that is less to write.
func (s *Snapshot) refresh(ctx context.Context, src *os.File, dir string, owner account) error {
	have := fileTree{root: dir}
	if err := have.list("."); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, d := range s.info.Dirs {
		wanted[d] = true
	}
	for _, f := range s.info.Files {
		wanted[f.Name] = true
	}
	for _, name := range slices.Concat(have.files, have.dirs) {
		if !wanted[name] {
			if err := os.RemoveAll(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
				return err
			}
		}
	}
	return s.extractOver(ctx, src, ".", dir, owner, have)
}

// extractOver writes the tree below the name as to a directory in which there is what have lists.
func (s *Snapshot) extractOver(ctx context.Context, src *os.File, as, to string, owner account, have fileTree) error {
	inside := func(name string) (string, bool) {
		if as == "." {
			return name, name != snapshotTemplate1 && !strings.HasPrefix(name, snapshotTemplate1+"/")
		}
		if name == as {
			return ".", true
		}
		return strings.CutPrefix(name, as+"/")
	}
	w := &imageWriter{owner: owner}
	defer w.close()
	dirs := map[string]int{}
	for _, d := range s.info.Dirs {
		if name, ok := inside(d); ok {
			if err := validName(name); err != nil {
				return err
			}
			dirs[name] = len(w.fds)
			open := w.makeDir
			if slices.Contains(have.dirs, name) {
				open = w.openDir
			}
			if err := open(filepath.Join(to, filepath.FromSlash(name))); err != nil {
				return err
			}
		}
	}
	var files []archiveFile
	for _, f := range s.info.Files {
		name, ok := inside(f.Name)
		if !ok {
			continue
		}
		if _, known := dirs[path.Dir(name)]; !known {
			return fmt.Errorf("the snapshot in %s is damaged: %q stands in no directory", s.dir, f.Name)
		}
		if err := validName(name); err != nil {
			return err
		}
		f.Name = name
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b archiveFile) int { return strings.Compare(a.Name, b.Name) }) // see inParallel
	there := make(map[string]bool, len(have.files))
	for _, name := range have.files {
		there[name] = true
	}
	return inParallel(ctx, len(files), func(i int, buf []byte) error {
		f, write := files[i], makeFile
		if there[f.Name] {
			write = refreshFile
		}
		if err := write(w.fds[dirs[path.Dir(f.Name)]], f, int(src.Fd()), buf, owner); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
		return nil
	})
}

// validName refuses names that lead out of a directory: a snapshot's folder may come from elsewhere.
func validName(name string) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("the snapshot is damaged: %q is no name in a data directory", name)
	}
	return nil
}

// makeFile makes a file of the archive src in a directory.
func makeFile(dir int, f archiveFile, src int, buf []byte, owner account) (err error) {
	dst, err := unix.Openat(dir, path.Base(f.Name), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := unix.Close(dst); err == nil {
			err = cerr
		}
	}()
	if uid, gid, change := owner.fileOwner(); change {
		if err := unix.Fchown(dst, uid, gid); err != nil {
			return err
		}
	}
	end, err := copyRange(dst, 0, src, f.At, f.Size, buf)
	if err == nil && end < f.Size {
		err = unix.Ftruncate(dst, f.Size)
	}
	return err
}

// refreshFile writes what differs in a file of a directory from that of the archive src.
func refreshFile(dir int, f archiveFile, src int, buf []byte, _ account) (err error) {
	dst, err := unix.Openat(dir, path.Base(f.Name), unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(dst)) }()
	var st unix.Stat_t
	if err := unix.Fstat(dst, &st); err != nil {
		return err
	}
	common := min(f.Size, st.Size)
	want, have := buf[:len(buf)/2], buf[len(buf)/2:]
	for done := int64(0); done < common; {
		n, err := retryInterrupted(func() (int, error) {
			return unix.Pread(src, want[:min(int64(len(want)), common-done)], f.At+done)
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return errShorter
		}
		m, err := retryInterrupted(func() (int, error) { return unix.Pread(dst, have[:n], done) })
		if err != nil {
			return err
		}
		if !bytes.Equal(want[:n], have[:m]) {
			if err := writeAt(dst, want[:n], done); err != nil {
				return err
			}
		}
		done += int64(n)
	}
	if st.Size < f.Size {
		if _, err := copyRange(dst, st.Size, src, f.At+st.Size, f.Size-st.Size, buf); err != nil {
			return err
		}
	}
	if st.Size != f.Size {
		return unix.Ftruncate(dst, f.Size)
	}
	return nil
}
