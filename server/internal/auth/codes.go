package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// codeKind is a kind of one-time code. Each has a column for its hash and one
// for when it was sent in auth.users, and a row in auth.one_time_tokens.
type codeKind struct{ column, sentColumn string }

var (
	codeConfirmation   = codeKind{"confirmation_token", "confirmation_sent_at"}
	codeRecovery       = codeKind{"recovery_token", "recovery_sent_at"}
	codeReauthenticate = codeKind{"reauthentication_token", "reauthentication_sent_at"}
	codeChangeNew      = codeKind{"email_change_token_new", "email_change_sent_at"}
	codeChangeCurrent  = codeKind{"email_change_token_current", "email_change_sent_at"}
	codePhoneChange    = codeKind{"phone_change_token", "phone_change_sent_at"}
)

// newCode draws the digits that the user of an address or number types.
func (h *Handler) newCode(address string, length int) string {
	if code := h.cfg.Email.TestCodes[strings.ToLower(address)]; code != "" {
		return code
	}
	if h.cfg.Email.FixedCode != "" {
		return h.cfg.Email.FixedCode
	}
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(length)), nil)
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		panic(err) // the system's randomness never fails
	}
	return fmt.Sprintf("%0*d", length, n)
}

// codeHash is what stands for a code in links and in the database.
func codeHash(address, code string) string {
	sum := sha256.Sum224([]byte(address + code))
	return hex.EncodeToString(sum[:])
}

// storeCode makes hash the user's one code of the kind.
func (w *work) storeCode(userID string, kind codeKind, hash, address string) error {
	if err := w.exec("Database error storing a code", `
		update auth.users set `+kind.column+` = $2, `+kind.sentColumn+` = $3, updated_at = $3
		where id = $1`, userID, hash, w.now); err != nil {
		return err
	}
	return w.exec("Database error storing a code", `
		insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
		values ($1, $2, $3::text::auth.one_time_token_type, $4, $5, $6, $6)
		on conflict (user_id, token_type) do update
		set id = excluded.id, token_hash = excluded.token_hash, relates_to = excluded.relates_to,
		  created_at = excluded.created_at, updated_at = excluded.updated_at`,
		newID(), userID, kind.column, hash, strings.ToLower(address), w.now)
}

// clearCodes ends every code of the user. One who was made just now has none.
func (w *work) clearCodes(userID string) error {
	if userID == w.created {
		return nil
	}
	return w.later("Database error clearing codes", `delete from auth.one_time_tokens where user_id = $1`, userID)
}

// clearPending ends every code of the user and the changes they were for.
func (w *work) clearPending(userID string) error {
	if err := w.exec("Database error clearing codes", `
		update auth.users set updated_at = $2,
		  confirmation_token = '', confirmation_sent_at = null, recovery_token = '', recovery_sent_at = null,
		  email_change = '', email_change_token_new = '', email_change_token_current = '',
		  email_change_sent_at = null, email_change_confirm_status = 0,
		  phone_change = '', phone_change_token = '', phone_change_sent_at = null,
		  reauthentication_token = '', reauthentication_sent_at = null
		where id = $1`, userID, w.now); err != nil {
		return err
	}
	return w.clearCodes(userID)
}

// tooSoon refuses a message that follows the last one too closely.
func tooSoon(code string, sent *time.Time, least time.Duration, now time.Time) error {
	if least <= 0 || elapsed(sent, least, now) {
		return nil
	}
	left := sent.Add(least).Sub(now) / time.Second
	return fail(429, code, "For security purposes, you can only request this after %d seconds.", left)
}

// codeFits reports whether hash is that of a code which was sent and has not
// expired.
func codeFits(hash, stored string, sent *time.Time, life time.Duration, now time.Time) bool {
	if stored == "" || hash == "" || sent == nil || now.After(sent.Add(life)) {
		return false
	}
	return equalSecret(hash, stored) || equalSecret(pkcePrefix+hash, stored)
}

// equalSecret compares in a time that does not tell where the two differ.
func equalSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
