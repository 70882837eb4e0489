package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

const maxPassword = 72 // bytes, for the sake of databases handed to other servers

// checkStrength judges a new password by the project's rules.
func (h *Handler) checkStrength(ctx context.Context, password string) error {
	if len(password) > maxPassword {
		return invalid("Password cannot be longer than %d characters", maxPassword)
	}
	weak, err := h.weakness(ctx, password)
	if err != nil {
		return err
	}
	if weak != nil {
		return &Error{Status: http.StatusUnprocessableEntity, Code: codeWeakPassword, Message: weak.Message, Reasons: weak.Reasons}
	}
	return nil
}

// weakness says which rules the password breaks, nil when none. The error is
// that it could not be found out.
func (h *Handler) weakness(ctx context.Context, password string) (*weakPassword, error) {
	c := h.cfg.Password
	var messages, reasons []string
	if len(password) < c.MinLength {
		reasons = append(reasons, "length")
		messages = append(messages, fmt.Sprintf("Password should be at least %d characters.", c.MinLength))
	}
	for _, set := range c.RequiredCharacters {
		if set != "" && !strings.ContainsAny(password, set) {
			reasons = append(reasons, "characters")
			messages = append(messages, fmt.Sprintf("Password should contain at least one character of each: %s.",
				strings.Join(c.RequiredCharacters, ", ")))
			break
		}
	}
	if h.leaked != nil {
		known, err := h.leaked.knows(ctx, password)
		switch {
		case err != nil && c.Leaked.FailClosed:
			return nil, internal("Unable to perform password strength check with HaveIBeenPwned.org.", err)
		case err != nil:
			h.log.LogAttrs(ctx, slog.LevelWarn, "it cannot be found out whether a password has leaked: it is accepted", slog.Any("cause", err))
		case known:
			reasons = append(reasons, "pwned")
			messages = append(messages, "Password is known to be weak and easy to guess, please choose a different one.")
		}
	}
	if reasons == nil {
		return nil, nil
	}
	return &weakPassword{Message: strings.Join(messages, " "), Reasons: reasons}, nil
}

// hash makes the hash of a password that is stored; it is called before a
// transaction begins, for it takes its time.
func (h *Handler) hash(ctx context.Context, password string) (string, error) {
	s, err := h.passwords.Hash(ctx, password)
	if err != nil {
		return "", internal("Error hashing the password", err)
	}
	return s, nil
}

// hashing begins to make a hash. The function it returns waits for it, and must
// be called.
func (h *Handler) hashing(ctx context.Context, password string) func() (string, error) {
	var hash string
	var err error
	var done sync.WaitGroup
	done.Go(func() { hash, err = h.hash(ctx, password) })
	return func() (string, error) {
		done.Wait()
		return hash, err
	}
}

// randomPassword is for users who never chose one: nobody knows it.
func randomPassword() string { return rand.Text() + rand.Text() }

// checkPassword reports whether password is the user's. A hash that cannot be
// read belongs to nobody and is logged.
func (h *Handler) checkPassword(ctx context.Context, u *User, password string) (ok, outdated bool, err error) {
	ok, outdated, err = h.passwords.Verify(ctx, u.PasswordHash, password)
	if err != nil && ctx.Err() != nil {
		return false, false, ctx.Err()
	}
	if err != nil {
		h.log.LogAttrs(ctx, slog.LevelWarn, "the stored password of a user cannot be read: set a new one for them",
			slog.String("user_id", u.ID), slog.Any("cause", err))
	}
	return ok, outdated, nil
}

// upgradeHash replaces a hash of an older form after its password was seen. It
// is no change of the password: sessions and codes stay.
func (w *work) upgradeHash(u *User, hash string) error {
	return w.exec("Database error updating user", `
		update auth.users set encrypted_password = $2, updated_at = $4
		where id = $1 and encrypted_password = $3`, u.ID, hash, u.PasswordHash, w.now)
}

// storePassword sets a new password. What was pending for the old one ends,
// and all sessions but the kept one.
func (w *work) storePassword(userID, hash, keepSession string) error {
	if err := w.exec("Error during password storage", `
		update auth.users set encrypted_password = $2, updated_at = $3,
		  confirmation_token = '', confirmation_sent_at = null,
		  recovery_token = '', recovery_sent_at = null,
		  email_change_token_current = '', email_change_token_new = '', email_change_sent_at = null,
		  phone_change_token = '', phone_change_sent_at = null,
		  reauthentication_token = '', reauthentication_sent_at = null
		where id = $1`, userID, nullable(hash), w.now); err != nil {
		return err
	}
	if err := w.clearCodes(userID); err != nil {
		return err
	}
	if keepSession == "" {
		keepSession = nilUUID
	}
	return w.exec("Error during password storage",
		`delete from auth.sessions where user_id = $1 and id <> $2`, userID, keepSession)
}

// elapsed reports whether limit has passed since t; a t that is not set has
// elapsed long ago.
func elapsed(t *time.Time, limit time.Duration, now time.Time) bool {
	return t == nil || !t.Add(limit).After(now)
}
