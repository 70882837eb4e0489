package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/suparust/suparust/server/internal/storage/blob"
	"github.com/suparust/suparust/server/internal/storage/tus"
)

// uploadNote is what is kept with an upload besides its bytes.
type uploadNote struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	// Database is the installation's id: nobody else makes the object.
	Database string    `json:"database,omitempty"`
	Metadata string    `json:"metadata"`         // as HEAD shows it
	Length   *int64    `json:"length,omitempty"` // nil until it is told
	Created  time.Time `json:"created"`
	// The grant of the request that the bytes came by last, under which the
	// upload is completed should that request not live to do it.
	Owner  *string `json:"owner,omitempty"`
	Upsert bool    `json:"upsert,omitempty"`
	// Replaces is the version of the object when that request came.
	Replaces string `json:"replaces,omitempty"`
	// Done says that the object's row is committed.
	Done bool `json:"done,omitempty"`
}

func (n *uploadNote) metadata() tus.Metadata {
	m, err := tus.ParseMetadata(n.Metadata)
	if err != nil { // it was checked before it was kept
		return nil
	}
	return m
}

// resumed is an upload that is there.
type resumed struct {
	uploadNote
	blob.Upload
	version string
	unknown bool // the client has not been told its address
}

// whole reports whether all bytes have come.
func (u *resumed) whole() bool { return u.Length != nil && u.Offset == *u.Length }

// findUpload reads the upload that id names.
func (h *Handler) findUpload(ctx context.Context, id tus.ID) (*resumed, error) {
	if !blob.ValidVersion(id.Version) {
		return nil, errTusNotFound
	}
	stored, err := h.uploads.Get(ctx, id.Version)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, errTusNotFound
	}
	if err != nil {
		return nil, err
	}
	u, err := readUpload(id.Version, stored)
	if err != nil {
		return nil, err
	}
	own, err := h.installation(ctx)
	if err != nil {
		return nil, err
	}
	if u.Bucket != id.Bucket || u.Key != id.Key || u.Database != own {
		return nil, errTusNotFound
	}
	if h.expiry(&u.uploadNote).Before(h.now()) {
		return nil, errTusExpired
	}
	return u, nil
}

func readUpload(version string, stored blob.Upload) (*resumed, error) {
	u := &resumed{Upload: stored, version: version}
	if err := json.Unmarshal(stored.Note, &u.uploadNote); err != nil {
		return nil, fmt.Errorf("the note of upload %s cannot be read: %w", version, err)
	}
	return u, nil
}

// changeUpload is findUpload for a request that is alone with the upload until
// it releases the lock.
func (t *tusCall) changeUpload(id tus.ID) (*resumed, *uploadLock, error) {
	lock, err := t.h.locks.acquire(t.ctx(), id.Version)
	if err != nil {
		return nil, nil, err
	}
	u, err := t.h.findUpload(t.ctx(), id)
	if err != nil {
		lock.release()
		return nil, nil, err
	}
	return u, lock, nil
}

func (h *Handler) keepNote(ctx context.Context, version string, n *uploadNote) error {
	raw, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return busy(h.uploads.SetNote(ctx, version, raw))
}

// busy is the answer to a change for which another process does not make room.
func busy(err error) error {
	if errors.Is(err, blob.ErrBusy) {
		return errLockTimeout(err)
	}
	return err
}

// headUpload tells how much of an upload has come. A request that is bringing
// more is asked to end, because its client may no longer be there.
func (t *tusCall) headUpload() error {
	id, err := t.id()
	if err != nil {
		return err
	}
	if t.signed {
		if _, err := t.grant(); err != nil {
			return err
		}
	}
	if _, err := t.h.findUpload(t.ctx(), id); err != nil {
		return err
	}
	u, lock, err := t.changeUpload(id)
	if err != nil {
		return err
	}
	defer lock.release()
	if u.whole() && !u.Done { // the client will take it for done when it hears of it
		if err := t.completeAgain(u); err != nil {
			return err
		}
	}
	h := t.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Upload-Offset", fmt.Sprint(u.Offset))
	if u.Length == nil {
		h.Set("Upload-Defer-Length", "1")
	} else {
		h.Set("Upload-Length", fmt.Sprint(*u.Length))
	}
	h.Set("Upload-Metadata", u.Metadata)
	h.Set("Content-Type", textType)
	t.expires(&u.uploadNote)
	t.w.WriteHeader(http.StatusOK)
	return nil
}

// deleteUpload ends an upload that is not finished.
func (t *tusCall) deleteUpload() error {
	id, err := t.id()
	if err != nil {
		return err
	}
	g, err := t.grant()
	if err != nil {
		return err
	}
	u, err := t.h.findUpload(t.ctx(), id)
	if err != nil {
		return err
	}
	if err := t.permitPart(g, u); err != nil {
		return err
	}
	u, lock, err := t.changeUpload(id)
	if err != nil {
		return err
	}
	defer lock.release()
	if u.whole() {
		return errTusFinished
	}
	ctx := t.finishing()
	if err := t.h.uploads.Discard(ctx, id.Version); err != nil {
		return busy(err)
	}
	t.w.WriteHeader(http.StatusNoContent)
	return nil
}
