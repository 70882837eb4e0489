package control

import (
	"net/http"

	"github.com/suparust/suparust/server/internal/httpx"
)

// SessionUser names the user of a session by one of its fields.
type SessionUser struct {
	ID    string `json:"user_id"`
	Email string `json:"email"`
	Phone string `json:"phone"`
}

// openSession is POST /auth/session.
func (h *Handler) openSession(w http.ResponseWriter, r *http.Request) error {
	var u SessionUser
	if err := readBody(w, r, &u, `{"email": "ann@example.com"}`); err != nil {
		return err
	}
	named := 0
	for _, by := range []string{u.ID, u.Email, u.Phone} {
		if by != "" {
			named++
		}
	}
	if named != 1 {
		return fault{"name the user by one of user_id, email and phone"}
	}
	session, err := h.cfg.Session(r, u)
	if err != nil {
		return refused(err)
	}
	return httpx.WriteJSON(w, http.StatusOK, session)
}

// resetAuth is POST /auth/reset.
func (h *Handler) resetAuth(w http.ResponseWriter, r *http.Request) error {
	if err := h.cfg.ResetAuth(r.Context()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
