package auth

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

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
	// approved is the user that the hook before_user_created lets be inserted,
	// created the one that was.
	approved *newUser
	created  string
	// failed is the answer to a statement that was put off and has failed.
	failed error
}

// maxAttempts bounds how often a transaction that PostgreSQL chose as the
// victim of a deadlock is run again.
const maxAttempts = 4

// inTx runs fn in a transaction. fn may be run again from the start after a
// deadlock, or when a hook has approved the user that it inserts, so it keeps
// its results in variables that it sets anew.
func (h *Handler) inTx(r *http.Request, fn func(*work) error) error {
	var w *work
	var err error
	var approved *newUser
	for attempt := 0; attempt < maxAttempts; attempt++ {
		w = &work{h: h, r: r, ctx: r.Context(), now: h.now(), approved: approved}
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
		if err != nil && w.failed != nil {
			err = w.failed
		}
		var ask *unapproved
		if errors.As(err, &ask) {
			if err := h.beforeUserCreated(r, ask.user); err != nil {
				return err
			}
			approved, attempt = &ask.user, -1
			continue
		}
		if !isState(err, stateDeadlock, stateSerialization) {
			break
		}
	}
	if err != nil {
		return err
	}
	w.deliver()
	if w.refusal == nil && w.created != "" && h.hooks.on(HookAfterUserCreated) {
		return h.afterUserCreated(r, w.created)
	}
	return w.refusal
}

// exec runs a statement; message is the answer when it fails.
func (w *work) exec(message, sql string, args ...any) error {
	if _, err := w.Exec(w.ctx, sql, args...); err != nil {
		return internal(message, err)
	}
	return nil
}

// later puts a statement off until the next one that is waited for; message is
// the answer when it fails.
func (w *work) later(message, sql string, args ...any) error {
	return w.Later(w.ctx, func(err error) { w.failed = internal(message, err) }, sql, args...)
}

// reload reads the user again, after triggers and generated columns.
func (w *work) reload(id string) (*User, error) {
	return w.reloaded(w.h.userByID(w.ctx, w, id))
}

func (w *work) reloaded(u *User, err error) (*User, error) {
	switch {
	case err != nil && !errors.Is(err, pgx.ErrNoRows):
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
