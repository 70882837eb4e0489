package auth

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
)

//go:embed queries/soft_delete.sql
var softDeleteSQL string

// softDelete keeps the user's row, for the sake of what refers to it, and
// empties it: the address and number become hashes, so that they are free.
func (w *work) softDelete(u *User) error {
	mask := func(s string) string {
		sum := sha256.Sum256([]byte(u.ID + s))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	const phoneLength = 15
	if err := w.exec("Error soft deleting user", softDeleteSQL, u.ID, w.now,
		mask(u.Email), mask(u.Phone)[:phoneLength], mask(u.EmailChange), mask(u.PhoneChange)[:phoneLength]); err != nil {
		return err
	}
	for _, i := range u.Identities {
		if err := w.exec("Error soft deleting user identities", `
			update auth.identities set identity_data = '{}', provider_id = $2, updated_at = $3
			where id = $1`, i.ID, mask(i.Provider+":"+i.ProviderID), w.now); err != nil {
			return err
		}
	}
	for _, table := range []string{"one_time_tokens", "mfa_factors", "webauthn_credentials", "sessions"} {
		if err := w.exec("Error soft deleting user", `delete from auth.`+table+` where user_id = $1`, u.ID); err != nil {
			return err
		}
	}
	return nil
}
