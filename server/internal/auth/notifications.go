package auth

import "github.com/suparust/suparust/server/internal/session"

// notify tells a user by mail of a change that was made to them, where that is
// turned on. to is the address; there may be none. A notification that cannot
// be sent stops nothing.
func (w *work) notify(kind string, u *User, to string, vars map[string]any) error {
	if to == "" || !w.h.cfg.Email.Notifications[kind] {
		return nil
	}
	if err := w.h.admitMail(); err != nil {
		w.h.log.Warn("a notification was not sent", "kind", kind, "error", err)
		return nil
	}
	l := letter{kind: kind, to: to, user: u, more: vars}
	if !w.h.hooks.on(HookSendEmail) {
		return w.mailOut(l)
	}
	err := w.Savepoint(w.ctx, func(tx *session.Tx) error {
		inner := *w
		inner.Tx = tx
		return inner.mailOut(l)
	})
	if err != nil {
		w.h.log.Warn("a notification was not sent", "kind", kind, "error", err)
	}
	return nil
}

// notifyPasswordChanged follows a change of the password by the user.
func (w *work) notifyPasswordChanged(u *User) error {
	return w.notify(notePasswordChanged, u, u.Email, nil)
}

// notifyEmailChanged tells the old address that there is a new one.
func (w *work) notifyEmailChanged(u *User, newEmail string) error {
	if u.Email == newEmail {
		return nil
	}
	return w.notify(noteEmailChanged, u, u.Email, map[string]any{"Email": newEmail, "OldEmail": u.Email})
}

// notifyPhoneChanged follows a change of the number; u is the user before. A
// first number is a new way to sign in.
func (w *work) notifyPhoneChanged(u *User, newPhone string) error {
	if u.Phone != "" && u.Phone != newPhone {
		if err := w.notify(notePhoneChanged, u, u.Email, map[string]any{"Phone": newPhone, "OldPhone": u.Phone}); err != nil {
			return err
		}
	}
	for _, i := range u.Identities {
		if i.Provider == providerPhone {
			return nil
		}
	}
	return w.notifyIdentityLinked(u, providerPhone)
}

// notifyIdentityLinked follows a new identity of the user.
func (w *work) notifyIdentityLinked(u *User, provider string) error {
	return w.notify(noteIdentityLinked, u, u.Email, map[string]any{"Provider": provider})
}

// notifyIdentityUnlinked follows the end of an identity; u is the user before,
// whose address may have gone with it.
func (w *work) notifyIdentityUnlinked(u *User, provider string) error {
	return w.notify(noteIdentityUnlinked, u, u.Email, map[string]any{"Provider": provider})
}

// notifyFactorEnrolled follows the first use of a factor.
func (w *work) notifyFactorEnrolled(u *User, factorType string) error {
	return w.notify(noteMFAFactorEnrolled, u, u.Email, map[string]any{"FactorType": factorType})
}

// notifyFactorUnenrolled follows the end of a factor.
func (w *work) notifyFactorUnenrolled(u *User, factorType string) error {
	return w.notify(noteMFAFactorUnenrolled, u, u.Email, map[string]any{"FactorType": factorType})
}
