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

// OpenSession opens a session of the user with an id or, where that is "", with
// an email or a phone number. It takes no password and sends no mail. r is the
// request that asks for it, whose address and program the session has.
func (h *Handler) OpenSession(r *http.Request, id, email, phone string) (*TokenResponse, error) {
	var u *User
	err := h.withConn(r.Context(), func(q querier) (err error) {
		switch aud := h.cfg.Audience; {
		case id != "":
			if id, ok := parseID(id); ok {
				u, err = h.userByID(r.Context(), q, id)
			}
		case email != "":
			u, err = h.userByEmail(r.Context(), q, strings.TrimSpace(email), aud)
		case phone != "":
			u, err = h.userByPhone(r.Context(), q, phoneDigits(phone), aud)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, internal("Database error finding user", err)
	case u == nil:
		return nil, notFound(codeUserNotFound, "User not found")
	case u.banned(h.now()):
		return nil, badRequest(codeUserBanned, "User is banned")
	}
	var res *TokenResponse
	err = h.inTx(r, func(tx *work) (err error) {
		tx.audit(u, auditLogin, nil)
		res, err = tx.signIn(u.ID, methodPassword)
		return err
	})
	return res, err
}
