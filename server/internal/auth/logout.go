package auth

import "net/http"

// logout is POST /logout: it deletes sessions, and their refresh tokens with
// them.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) error {
	scope := r.URL.Query().Get("scope")
	switch scope {
	case "", "global", "local", "others":
	default:
		return invalid("Unsupported logout scope %q", cleanText(scope, 64))
	}
	c := callerOf(r)
	sql, args := `delete from auth.sessions where user_id = $1`, []any{c.User.ID}
	switch {
	case c.Session == nil: // nothing to tell apart: all end
	case scope == "local":
		sql, args = sql+` and id = $2`, append(args, c.Session.ID)
	case scope == "others":
		sql, args = sql+` and id <> $2`, append(args, c.Session.ID)
	}
	err := h.inTx(r, func(tx *work) error {
		tx.audit(c.User, auditLogout, nil)
		return tx.exec("Error logging out user", sql, args...)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
