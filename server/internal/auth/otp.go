package auth

import "net/http"

// otpParams is the body of POST /otp and /magiclink.
type otpParams struct {
	Email      string `json:"email"`
	Phone      string `json:"phone"`
	CreateUser *bool  `json:"create_user"` // absent means true
	Data       object `json:"data"`
	Channel    string `json:"channel"`
	challenge
}

// messageAnswer is the answer of endpoints that send a code.
type messageAnswer struct {
	MessageID string `json:"message_id,omitempty"`
}

// otp is POST /otp: a code or link to sign in with.
func (h *Handler) otp(w http.ResponseWriter, r *http.Request) error {
	var p otpParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	switch {
	case p.Email != "" && p.Phone != "":
		return invalid("Only an email address or phone number should be provided")
	case p.Email != "" && p.Channel != "":
		return invalid("Channel should only be specified with Phone OTP")
	}
	if err := p.challenge.check(); err != nil {
		return err
	}
	if p.CreateUser != nil && !*p.CreateUser {
		if err := h.requireKnown(r, &p); err != nil {
			return err
		}
	}
	switch {
	case p.Email != "":
		return h.sendLink(w, r, p)
	case p.Phone != "":
		return h.sendText(w, r, p)
	}
	return invalid("One of email or phone must be set")
}

// magicLink is POST /magiclink, the older form of /otp.
func (h *Handler) magicLink(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Email string `json:"email"`
		Data  object `json:"data"`
		challenge
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	return h.sendLink(w, r, otpParams{Email: p.Email, Data: p.Data, challenge: p.challenge})
}

var errUnknownForOTP = unprocessable("otp_disabled", "Signups not allowed for otp")

func (h *Handler) requireKnown(r *http.Request, p *otpParams) (err error) {
	var u *User
	switch {
	case p.Email != "":
		p.Email, err = validEmail(p.Email)
	case p.Phone != "":
		p.Phone, err = validPhone(p.Phone)
	default:
		return nil
	}
	if err != nil { // nobody has such an address
		return errUnknownForOTP
	}
	err = h.withConn(r.Context(), func(q querier) error {
		if p.Email != "" {
			u, err = h.userByEmail(r.Context(), q, p.Email, h.audience(r))
		} else {
			u, err = h.userByPhone(r.Context(), q, p.Phone, h.audience(r))
		}
		return err
	})
	switch {
	case err != nil:
		return internal("Database error finding user", err)
	case u == nil:
		return errUnknownForOTP
	}
	return nil
}

// sendLink mails a link to sign in; who is unknown or unconfirmed is signed up.
func (h *Handler) sendLink(w http.ResponseWriter, r *http.Request, p otpParams) (err error) {
	switch {
	case h.cfg.Email.Disabled:
		return unprocessable(codeEmailDisabled, messageEmailLogins)
	case h.cfg.Email.DisableMagicLink:
		return unprocessable(codeEmailDisabled, "Login with magic link is disabled")
	case p.Email == "":
		return unprocessable(codeValidation, "Password recovery requires an email")
	}
	if p.Email, err = validEmail(p.Email); err != nil {
		return err
	}
	if err := p.challenge.check(); err != nil {
		return err
	}
	var u *User
	find := func() error {
		return h.withConn(r.Context(), func(q querier) error {
			u, err = h.userByEmail(r.Context(), q, p.Email, h.audience(r))
			return err
		})
	}
	if err := find(); err != nil {
		return internal("Database error finding user", err)
	}
	if u == nil || u.EmailConfirmedAt == nil {
		password := h.acceptablePassword()
		res, err := h.register(r, signupParams{Email: p.Email, Password: password, Data: p.Data, challenge: p.challenge})
		if err != nil {
			return err
		}
		if res.user != nil {
			return writeOK(w, empty{}) // the confirmation's link signs in
		}
		u = res.token.User
	}
	err = h.inTx(r, func(tx *work) error {
		if err := tx.startFlow(p.challenge, u.ID, methodMagicLink, methodMagicLink); err != nil {
			return err
		}
		tx.audit(u, auditRecovery, nil)
		return tx.sendMagicLink(u, p.challenge)
	})
	if err != nil {
		return err
	}
	return writeOK(w, empty{})
}

// sendText texts a code to sign in with; who is unknown or unconfirmed is
// signed up.
func (h *Handler) sendText(w http.ResponseWriter, r *http.Request, p otpParams) (err error) {
	if !h.cfg.Phone.Enabled {
		return badRequest(codePhoneDisabled, "Unsupported phone provider")
	}
	if p.Phone, err = validPhone(p.Phone); err != nil {
		return err
	}
	if err := h.validChannel(p.Channel); err != nil {
		return err
	}
	var u *User
	err = h.withConn(r.Context(), func(q querier) error {
		u, err = h.userByPhone(r.Context(), q, p.Phone, h.audience(r))
		return err
	})
	if err != nil {
		return internal("Database error finding user", err)
	}
	if u == nil || u.PhoneConfirmedAt == nil {
		res, err := h.register(r, signupParams{Phone: p.Phone, Password: h.acceptablePassword(), Data: p.Data, Channel: p.Channel})
		if err != nil {
			return err
		}
		if res.user != nil {
			return writeOK(w, empty{}) // the confirmation's code signs in
		}
		u = res.token.User
	}
	var id string
	err = h.inTx(r, func(tx *work) error {
		tx.audit(u, auditRecovery, map[string]any{"channel": "sms"})
		id, err = tx.sendPhoneCode(u, codeConfirmation, p.Phone, p.Channel)
		return err
	})
	if err != nil {
		return err
	}
	return writeOK(w, messageAnswer{id})
}

// acceptablePassword is a random one that the project's rules let pass.
func (h *Handler) acceptablePassword() string {
	p := ""
	for _, set := range h.cfg.Password.RequiredCharacters {
		if set != "" {
			p += set[:1]
		}
	}
	p += randomPassword()
	for len(p) < h.cfg.Password.MinLength {
		p += randomPassword()
	}
	return p[:min(len(p), max(maxPassword, h.cfg.Password.MinLength))]
}
