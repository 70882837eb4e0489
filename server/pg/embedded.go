package pg

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
)

// embeddedArchive is a tree of binaries that was built into the program with the tag embedpg. `make bundle` writes it.
type embeddedArchive struct {
	meta []byte // BundleMeta as JSON
	data []byte // tar.zst
}

// BundleMeta describes an archive that is built into the program.
type BundleMeta struct {
	Version string `json:"version"`
	Major   int    `json:"major"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	SHA256  string `json:"sha256"`
}

func (r *resolver) fromEmbedded(ctx context.Context) (*Binaries, error) {
	if r.embedded == nil {
		return nil, errNothing
	}
	var m BundleMeta
	if err := json.Unmarshal(r.embedded.meta, &m); err != nil || len(m.SHA256) != 64 {
		return nil, fmt.Errorf("the description of the built-in archive cannot be read: make it again with `make bundle`")
	}
	if m.OS != runtime.GOOS || m.Arch != runtime.GOARCH {
		return nil, fmt.Errorf("the built-in archive is for %s/%s, this program runs on %s/%s: make it on the platform it is for", m.OS, m.Arch, runtime.GOOS, runtime.GOARCH)
	}
	if m.Major != r.Major {
		r.log.Info("the built-in PostgreSQL is not the version wanted", "built in", m.Version, "wanted", r.Major)
		return nil, errNothing
	}
	id := m.SHA256[:12]
	for _, t := range cachedTrees(r.CacheDir, r.Major) {
		if t.id == id {
			if b, err := r.check(ctx, t.path+"/bin"); err == nil {
				b.ID, b.tree = id, t.path
				return b, nil
			}
		}
	}
	if sum := sha256.Sum256(r.embedded.data); hex.EncodeToString(sum[:]) != m.SHA256 {
		return nil, fmt.Errorf("%w: the built-in archive is not the one its description names", ErrChecksum)
	}
	return r.place(ctx, bytes.NewReader(r.embedded.data), int64(len(r.embedded.data)), id, treeZstd)
}
