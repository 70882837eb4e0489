package storage

import (
	"net/http"
	"strconv"
)

// patchUpload appends bytes to an upload, and completes it with the last of
// them.
func (t *tusCall) patchUpload() error {
	id, err := t.id()
	if err != nil {
		return err
	}
	offset := t.size("Upload-Offset")
	if offset == nil {
		return errTusNoOffset
	}
	if _, sent := t.header("Content-Type"); !sent {
		return errTusNoType
	}
	g, err := t.grant()
	if err != nil {
		return err
	}
	u, err := t.h.findUpload(t.ctx(), id)
	if err != nil {
		return err
	}
	var found uploadTarget
	if u.Done && t.signed { // see permitPart
		found, err = t.findTarget()
	} else {
		var refused error
		if found, refused, err = t.findTargetAndTry(g, nil, u.metadata(), u.Length); refused != nil {
			return refused
		}
	}
	if err != nil {
		return err
	}
	u, lock, err := t.changeUpload(id)
	if err != nil {
		return err
	}
	defer lock.release()
	if u.Offset != *offset {
		return errTusOffset
	}
	if u.whole() {
		err = t.repeatLast(u)
	} else {
		err = t.nextPart(lock, u, g, found.replaces, t.h.uploadLimit(found.limits))
	}
	if err != nil {
		return err
	}
	t.w.Header().Set("Upload-Offset", strconv.FormatInt(u.Offset, 10))
	t.expires(&u.uploadNote)
	t.w.WriteHeader(http.StatusNoContent)
	return nil
}

// permitPart asks for the permission to go on with an upload.
func (t *tusCall) permitPart(g grant, u *resumed) error {
	if u.Done && t.signed {
		return nil // there is nothing left that needs one
	}
	return t.permit(g, u.metadata(), u.Length)
}

// repeatLast answers a request whose bytes are all there already: that of a
// client that has missed the answer to its last.
func (t *tusCall) repeatLast(u *resumed) error {
	if t.r.ContentLength > 0 {
		return errTusSizeExceeded
	}
	if _, sent := t.header("Upload-Length"); sent {
		return errTusLength
	}
	if !u.Done {
		if err := t.completeAgain(u); err != nil {
			return err
		}
	}
	t.w.Header().Set("Tus-Complete", "1")
	return nil
}

// nextPart takes the bytes of the request.
func (t *tusCall) nextPart(lock *uploadLock, u *resumed, g grant, replaces string, limit int64) error {
	changed := false
	if length := t.size("Upload-Length"); length != nil {
		switch {
		case u.Length != nil, *length < u.Offset:
			return errTusLength
		case *length > limit:
			return errTusMaxSize
		}
		u.Length, changed = length, true
	}
	if u.Upsert != g.upsert || !equalText(u.Owner, g.owner) || u.Replaces != replaces {
		u.Upsert, u.Owner, u.Replaces, changed = g.upsert, g.owner, replaces, true
	}
	if changed {
		ctx := t.finishing()
		if err := t.h.keepNote(ctx, u.version, &u.uploadNote); err != nil {
			return err
		}
	}
	if err := t.receive(lock, u, limit); err != nil {
		return err
	}
	return t.completeWhole(u)
}

func equalText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
