package auth

// sendMailCode gives the user a fresh code of the kind and mails it.
func (w *work) sendMailCode(u *User, kind codeKind, mailKind, linkType string, c challenge) error {
	if err := w.h.admitMail(); err != nil {
		return err
	}
	code := w.h.newCode(u.Email, w.h.cfg.Email.CodeLength)
	hash := c.prefix() + codeHash(u.Email, code)
	if err := w.storeCode(u.ID, kind, hash, u.Email); err != nil {
		return err
	}
	return w.mailOut(letter{kind: mailKind, to: u.Email, linkType: linkType, code: code, hash: hash, user: u})
}

func (w *work) mailTooSoon(u *User, kind codeKind) error {
	sent := u.ConfirmationSent
	switch kind {
	case codeRecovery:
		sent = u.RecoverySent
	case codeReauthenticate:
		sent = u.Reauthenticated
	case codeChangeNew:
		sent = u.EmailChangeSent
	}
	return tooSoon(codeEmailLimit, sent, w.h.cfg.Email.MaxFrequency, w.now)
}

// sendConfirmation mails what confirms a new user's address.
func (w *work) sendConfirmation(u *User, c challenge) error {
	if err := w.mailTooSoon(u, codeConfirmation); err != nil {
		return err
	}
	return w.sendMailCode(u, codeConfirmation, mailConfirmation, "signup", c)
}

// sendRecovery mails a link to set a new password.
func (w *work) sendRecovery(u *User, c challenge) error {
	if err := w.mailTooSoon(u, codeRecovery); err != nil {
		return err
	}
	return w.sendMailCode(u, codeRecovery, mailRecovery, "recovery", c)
}

// sendMagicLink mails a link to sign in. It shares the code and the frequency
// limit of the recovery.
func (w *work) sendMagicLink(u *User, c challenge) error {
	if err := w.mailTooSoon(u, codeRecovery); err != nil {
		return err
	}
	return w.sendMailCode(u, codeRecovery, mailMagicLink, "magiclink", c)
}

// sendReauthentication mails a code that shows that it is still the user.
func (w *work) sendReauthentication(u *User) error {
	if err := w.mailTooSoon(u, codeReauthenticate); err != nil {
		return err
	}
	return w.sendMailCode(u, codeReauthenticate, mailReauthenticate, "", challenge{})
}

// sendEmailChange mails what confirms a change of the address: to the new one
// and, where both have to confirm, to the old one.
func (w *work) sendEmailChange(u *User, newEmail string, c challenge) error {
	if err := w.mailTooSoon(u, codeChangeNew); err != nil {
		return err
	}
	if err := w.h.admitMail(); err != nil {
		return err
	}
	if err := w.exec("Error sending email change email", `
		update auth.users set email_change = $2, email_change_confirm_status = 0, email_change_token_current = '', updated_at = $3
		where id = $1`, u.ID, newEmail, w.now); err != nil {
		return err
	}
	asked := emailData{ActionType: "email_change"}
	hooked := w.h.hooks.on(HookSendEmail)
	send := func(kind codeKind, address string) error {
		code := w.h.newCode(address, w.h.cfg.Email.CodeLength)
		hash := c.prefix() + codeHash(address, code)
		if err := w.storeCode(u.ID, kind, hash, address); err != nil {
			return err
		}
		switch {
		case hooked && kind == codeChangeNew:
			asked.Token, asked.TokenHash = code, hash
			return nil
		case hooked:
			asked.TokenNew, asked.Token, asked.TokenHashNew = asked.Token, code, hash
			return nil
		}
		return w.mailOut(letter{kind: mailEmailChange, to: address, linkType: "email_change", code: code, hash: hash, user: u, newEmail: newEmail})
	}
	if err := send(codeChangeNew, newEmail); err != nil {
		return err
	}
	var err error
	if w.h.cfg.Email.SingleConfirmChange || u.Email == "" {
		err = w.exec("Error sending email change email",
			`delete from auth.one_time_tokens where user_id = $1 and token_type = 'email_change_token_current'`, u.ID)
	} else {
		err = send(codeChangeCurrent, u.Email)
	}
	if err != nil || !hooked {
		return err
	}
	changing := *u
	changing.EmailChange = newEmail
	return w.hookEmail(&changing, asked)
}
