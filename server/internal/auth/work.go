package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/session"
)

// work is one flow's transaction. Everything it writes, and every trigger of
// a project on the way, stands or falls together; messages are in the mailbox
// after the commit and before the answer.
type work struct {
	*session.Tx
	h      *Handler
	r      *http.Request
	ctx    context.Context
	now    time.Time
	audits []auditEntry
	mails  []outgoing
	// refusal is an error that is answered although the work is kept.
	refusal error
}

// maxAttempts bounds how often a transaction that PostgreSQL chose as the
// victim of a deadlock is run again.
const maxAttempts = 4

// inTx runs fn in a transaction. fn may be run again from the start after a
// deadlock, so it keeps its results in variables that it sets anew.
func (h *Handler) inTx(r *http.Request, fn func(*work) error) error {
	var w *work
	var err error
	for range maxAttempts {
		w = &work{h: h, r: r, ctx: r.Context(), now: h.now()}
		err = h.db.Tx(w.ctx, nil, func(tx *session.Tx) error {
			w.Tx = tx
			if err := fn(w); err != nil && !errors.Is(err, errKeep) {
				return err
			}
			if err := w.writeAudits(); err != nil {
				return err
			}
			return w.send()
		})
		if !isState(err, stateDeadlock, stateSerialization) {
			break
		}
	}
	if err != nil {
		return err
	}
	w.deliver()
	return w.refusal
}

// exec runs a statement; message is the answer when it fails.
func (w *work) exec(message, sql string, args ...any) error {
	if _, err := w.Exec(w.ctx, sql, args...); err != nil {
		return internal(message, err)
	}
	return nil
}

// reload reads the user again, after triggers and generated columns.
func (w *work) reload(id string) (*User, error) {
	u, err := w.h.userByID(w.ctx, w, id)
	switch {
	case err != nil:
		return nil, internal("Database error finding user", err)
	case u == nil:
		return nil, notFound(codeUserNotFound, "User not found")
	}
	return u, nil
}

func newID() string { return uuid.NewString() }

func parseID(s string) (string, bool) {
	id, err := uuid.Parse(s)
	return id.String(), err == nil
}
