package auth

import (
	"errors"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"
)

// requireManualLinking lets users manage their identities only where the
// project allows it.
func (h *Handler) requireManualLinking(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.cfg.ManualLinking {
			h.writeError(w, r, notFound("manual_linking_disabled", "Manual linking is disabled"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// deleteIdentity is DELETE /user/identities/{identity_id}.
func (h *Handler) deleteIdentity(w http.ResponseWriter, r *http.Request) error {
	id, ok := parseID(chi.URLParam(r, "identity_id"))
	if !ok {
		return notFound(codeValidation, "identity_id must be an UUID")
	}
	c := callerOf(r)
	if aud := claimAudience(c.Claims); aud == "" || aud != h.audience(r) {
		return forbidden("unexpected_audience", "Token audience doesn't match request audience")
	}
	u := c.User
	if len(u.Identities) <= 1 {
		return unprocessable("single_identity_not_deletable", "User must have at least 1 identity after unlinking")
	}
	at := slices.IndexFunc(u.Identities, func(i Identity) bool { return i.ID == id })
	if at < 0 {
		return unprocessable("identity_not_found", "Identity doesn't exist")
	}
	gone := u.Identities[at]
	rest := slices.Delete(slices.Clone(u.Identities), at, at+1)
	err := h.inTx(r, func(tx *work) error {
		tx.audit(u, auditUnlinked, map[string]any{"identity_id": gone.ID, "provider": gone.Provider, "provider_id": gone.ProviderID})
		if err := tx.exec("Database error deleting identity", `delete from auth.identities where id = $1 and user_id = $2`, gone.ID, u.ID); err != nil {
			return err
		}
		if gone.Provider == providerPhone {
			if err := tx.exec("Database error updating user phone", `
				update auth.users set phone = null, phone_confirmed_at = null, updated_at = $2 where id = $1`, u.ID, tx.now); err != nil {
				return err
			}
		} else if err := tx.promoteEmail(u, rest); err != nil {
			return err
		}
		if err := tx.notifyIdentityUnlinked(u, gone.Provider); err != nil {
			return err
		}
		return tx.setProviders(u.ID)
	})
	if err != nil {
		return err
	}
	return writeOK(w, empty{})
}

// promoteEmail gives the user the address of one of the identities left, when
// theirs went with the one deleted: a verified one first, then any, then none.
func (w *work) promoteEmail(u *User, rest []Identity) error {
	if slices.ContainsFunc(rest, func(i Identity) bool { return i.Email == u.Email }) {
		return nil
	}
	rank := func(i Identity) int {
		switch {
		case i.Email == "":
			return 2
		case !i.verified():
			return 1
		}
		return 0
	}
	rest = slices.Clone(rest)
	slices.SortStableFunc(rest, func(a, b Identity) int { return rank(a) - rank(b) })
	for _, i := range rest {
		if i.Email != "" {
			owner, err := w.h.userByEmail(w.ctx, w, i.Email, u.Aud)
			if err != nil {
				return internal("Database error updating user email", err)
			}
			if owner != nil && owner.ID != u.ID {
				continue
			}
		}
		return w.takeEmail(u.ID, i)
	}
	return unprocessable(codeUnlinkConflict, "Unable to unlink identity due to email conflict")
}

func (w *work) takeEmail(userID string, i Identity) error {
	confirmed := i.Email != "" && (i.verified() || !w.h.cfg.Email.RequireConfirmation)
	err := w.exec("Database error updating user email", `
		update auth.users set email = $2, updated_at = $4,
		  email_confirmed_at = case when $3 then email_confirmed_at end,
		  raw_user_meta_data = case jsonb_typeof(raw_user_meta_data) when 'object' then raw_user_meta_data else '{}' end
		    || case when $3 then '{}'::jsonb else '{"email_verified": false}' end
		where id = $1`, userID, nullable(i.Email), confirmed, w.now)
	if err == nil {
		return w.clearPending(userID)
	}
	var e *Error
	if errors.As(err, &e) && isState(e.Cause, stateUnique) {
		return unprocessable(codeUnlinkConflict, "Unable to unlink identity due to email conflict")
	}
	return err
}
