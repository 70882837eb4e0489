package auth

import (
	"context"
	"net/http"
	"strings"

	"github.com/suparust/suparust/server/internal/session"
)

// What only tests ask for. It is not among the routes: the server offers it
// where it was told to.

// Reset forgets every user, and with them what other tables keep of users with
// "on delete cascade". It fails, and keeps all, where another table holds on to
// one.
func (h *Handler) Reset(ctx context.Context) error {
	return h.db.Tx(ctx, nil, func(tx *session.Tx) error {
		for _, table := range []string{"auth.users", "auth.refresh_tokens", "auth.flow_state", "auth.audit_log_entries"} {
			if _, err := tx.Exec(ctx, "delete from "+table); err != nil {
				return err
			}
		}
		return nil
	})
}

// OpenSession answers with the tokens of a new session of the user that the
// body names by id, email or phone. It takes no password and sends no mail.
func (h *Handler) OpenSession() http.Handler { return h.answer(h.openSession) }

func (h *Handler) openSession(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		ID    string `json:"user_id"`
		Email string `json:"email"`
		Phone string `json:"phone"`
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	var u *User
	err := h.withConn(r.Context(), func(q querier) (err error) {
		switch aud := h.cfg.Audience; {
		case p.ID != "":
			if id, ok := parseID(p.ID); ok {
				u, err = h.userByID(r.Context(), q, id)
			}
		case p.Email != "":
			u, err = h.userByEmail(r.Context(), q, strings.TrimSpace(p.Email), aud)
		case p.Phone != "":
			u, err = h.userByPhone(r.Context(), q, phoneDigits(p.Phone), aud)
		}
		return err
	})
	switch {
	case err != nil:
		return internal("Database error finding user", err)
	case u == nil:
		return notFound(codeUserNotFound, "User not found")
	case u.banned(h.now()):
		return badRequest(codeUserBanned, "User is banned")
	}
	var res *TokenResponse
	err = h.inTx(r, func(tx *work) (err error) {
		tx.audit(u, auditLogin, nil)
		res, err = tx.signIn(u.ID, methodPassword)
		return err
	})
	if err != nil {
		return err
	}
	return writeToken(w, res)
}
