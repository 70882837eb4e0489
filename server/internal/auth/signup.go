package auth

import (
	"context"
	"encoding/json"
	"net/http"
)

// signupParams is the body of POST /signup.
type signupParams struct {
	Email    string `json:"email"`
	Phone    string `json:"phone"`
	Password string `json:"password"`
	Data     object `json:"data"`
	Channel  string `json:"channel"`
	challenge
}

// signup is POST /signup. Without an address and a number it is an anonymous
// sign-in.
func (h *Handler) signup(w http.ResponseWriter, r *http.Request) error {
	var p signupParams
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if p.Email == "" && p.Phone == "" {
		if !h.cfg.AnonymousSignIns {
			return unprocessable("anonymous_provider_disabled", "Anonymous sign-ins are disabled")
		}
		if err := h.admit(r, limitAnonymous); err != nil {
			return err
		}
		return h.signupAnonymously(w, r, p)
	}
	if err := h.admit(r, limitSignup); err != nil {
		return err
	}
	res, err := h.register(r, p)
	switch {
	case err != nil:
		return err
	case res.token != nil:
		return writeToken(w, res.token)
	}
	return writeOK(w, res.user)
}

// registration is what became of a sign-up: a session, or a user who has still
// to confirm.
type registration struct {
	token *TokenResponse
	user  *User
}

// register signs a user up by email or phone. Of two sign-ups at the same
// moment the loser is the later one of two that follow each other.
func (h *Handler) register(r *http.Request, p signupParams) (*registration, error) {
	res, err := h.registerOnce(r, p)
	if duplicateUser(err) {
		if res, err = h.registerOnce(r, p); duplicateUser(err) {
			return nil, errAlreadyRegistered // by who is not found by the address
		}
	}
	return res, err
}

func (h *Handler) registerOnce(r *http.Request, p signupParams) (*registration, error) {
	if h.cfg.DisableSignup {
		return nil, unprocessable(codeSignupDisabled, "Signups not allowed for this instance")
	}
	if err := h.checkSignup(r.Context(), &p); err != nil {
		return nil, err
	}
	aud := h.audience(r)
	// hashed in every case, so that the time of the answer does not tell who is
	// registered, and while the database looks for them
	hashed := h.hashing(r.Context(), p.Password)
	existing, err := h.existingUser(r, p, aud)
	hash, hashErr := hashed()
	switch {
	case err != nil:
		return nil, err
	case hashErr != nil:
		return nil, hashErr
	case existing != nil && existing.confirmedBy(p.provider()):
		return h.repeatedSignup(r, p, existing, aud)
	}
	autoconfirm := h.autoconfirms(p.provider())

	res := &registration{}
	err = h.inTx(r, func(w *work) error {
		*res = registration{}
		var err error
		id := ""
		if existing != nil {
			// neither password nor data of the second call count: nobody has
			// shown yet whose address it is
			id = existing.ID
			if existing, err = w.reload(id); err != nil {
				return err
			}
		}
		if id == "" {
			id, err = w.insertUser(newUser{Aud: aud, Email: p.Email, Phone: p.Phone, PasswordHash: hash, Data: p.Data,
				Providers: []string{p.provider()}}, "Database error saving new user")
			if err != nil {
				return err
			}
		}
		if existing == nil || !existing.has(p.provider()) {
			data := identityData(id, p.Email, "", false, p.Data)
			if err := w.insertIdentity(id, p.provider(), id, data); err != nil {
				return err
			}
			if err := w.mergeMetadata(id, userMetadata, data); err != nil {
				return err
			}
		}
		traits := map[string]any{"provider": p.provider()}
		if !autoconfirm {
			return w.requestConfirmation(res, id, p, traits)
		}
		u := &User{ID: id, Email: p.Email, Phone: p.Phone, UserMetadata: mustJSON(p.Data)}
		confirm, signedUp := w.confirmEmail, traits
		if p.provider() == providerPhone {
			confirm, signedUp = w.confirmPhone, map[string]any{"provider": providerPhone, "channel": "sms"}
		}
		w.audit(u, auditSignedUp, signedUp)
		if err := confirm(id); err != nil {
			return err
		}
		w.audit(u, auditLogin, traits)
		if res.token, err = w.signInLast(id, methodPassword); err == nil && existing == nil && p.provider() == providerEmail {
			res.token.User.showVerified()
		}
		return err
	})
	return res, err
}

// showVerified makes the address of a user's first identity a verified one in
// this answer: clients are told so at a sign-up that confirms at once, while
// the row waits for a mail that has been read.
func (u *User) showVerified() {
	for i := range u.Identities {
		var data object
		if json.Unmarshal(u.Identities[i].Data, &data) != nil {
			continue
		}
		data["email_verified"] = true
		set, _ := data.merge()
		u.Identities[i].Data = set
	}
}

// requestConfirmation ends a sign-up that the user has to confirm.
func (w *work) requestConfirmation(res *registration, id string, p signupParams, traits map[string]any) error {
	u, err := w.reload(id)
	if err != nil {
		return err
	}
	w.audit(u, auditConfirmation, traits)
	if p.provider() == providerPhone {
		_, err = w.sendPhoneCode(u, codeConfirmation, p.Phone, p.Channel)
	} else {
		if err = w.startFlow(p.challenge, id, providerEmail, methodEmailSignup); err != nil {
			return err
		}
		err = w.sendConfirmation(u, p.challenge)
	}
	if err != nil {
		return err
	}
	if res.user, err = w.reload(id); err != nil {
		return err
	}
	if res.user.InvitedAt != nil { // what the inviter gave is not for whoever asks
		res.user.UserMetadata, res.user.Identities = json.RawMessage("{}"), []Identity{}
	}
	return nil
}

// checkSignup goes through the rules in the order clients rely on.
func (h *Handler) checkSignup(ctx context.Context, p *signupParams) (err error) {
	if p.Password == "" {
		return invalid("Signup requires a valid password")
	}
	if err := h.checkStrength(ctx, p.Password); err != nil {
		return err
	}
	if p.Email != "" && p.Phone != "" {
		return invalid("Only an email address or phone number should be provided on signup.")
	}
	if p.Phone != "" {
		if err := h.validChannel(p.Channel); err != nil {
			return err
		}
		if p.Challenge != "" {
			return invalid("PKCE not supported for phone signups")
		}
	}
	if err := p.challenge.check(); err != nil {
		return err
	}
	if p.Phone != "" {
		if !h.cfg.Phone.Enabled {
			return badRequest(codePhoneDisabled, "Phone signups are disabled")
		}
		p.Phone, err = validPhone(p.Phone)
		return err
	}
	if h.cfg.Email.Disabled {
		return badRequest(codeEmailDisabled, "Email signups are disabled")
	}
	p.Email, err = validEmail(p.Email)
	return err
}

func (p signupParams) provider() string {
	if p.Phone != "" {
		return providerPhone
	}
	return providerEmail
}

func (u *User) confirmedBy(provider string) bool {
	if provider == providerPhone {
		return u.PhoneConfirmedAt != nil
	}
	return u.EmailConfirmedAt != nil
}

func (u *User) has(provider string) bool {
	_, ok := u.identity(provider)
	return ok
}

func (h *Handler) autoconfirms(provider string) bool {
	if provider == providerPhone {
		return !h.cfg.Phone.RequireConfirmation
	}
	return !h.cfg.Email.RequireConfirmation
}

// duplicateUser reports whether a user could not be made because another has
// the address.
func duplicateUser(err error) bool {
	if err == nil {
		return false
	}
	code := asError(err).Code
	return code == codeEmailExists || code == codePhoneExists
}

var errAlreadyRegistered = unprocessable("user_already_exists", "User already registered")

func (h *Handler) existingUser(r *http.Request, p signupParams, aud string) (u *User, err error) {
	err = h.withConn(r.Context(), func(q querier) error {
		if p.provider() == providerPhone {
			u, err = h.userByPhone(r.Context(), q, p.Phone, aud)
		} else {
			u, err = h.emailOwner(r.Context(), q, p.Email, aud, "")
		}
		return err
	})
	if err != nil {
		return nil, internal("Database error finding user", err)
	}
	return u, nil
}

// repeatedSignup answers the sign-up of a user who is there and confirmed.
// Where new users have to confirm, the answer looks like any other, so that
// nobody learns which addresses are registered.
func (h *Handler) repeatedSignup(r *http.Request, p signupParams, u *User, aud string) (*registration, error) {
	now := h.now()
	err := h.inTx(r, func(w *work) error {
		w.audit(u, auditRepeatedSignup, map[string]any{"provider": p.provider()})
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case h.autoconfirms(providerEmail) || (h.cfg.Phone.Enabled && h.autoconfirms(providerPhone)):
		return nil, errAlreadyRegistered
	}
	if p.Data == nil {
		p.Data = object{}
	}
	return &registration{user: &User{
		ID: newID(), Aud: aud, Email: p.Email, Phone: p.Phone, ConfirmationSent: &now, CreatedAt: now, UpdatedAt: now,
		AppMetadata:  mustJSON(map[string]any{"provider": p.provider(), "providers": []string{p.provider()}}),
		UserMetadata: mustJSON(p.Data), Identities: []Identity{},
	}}, nil
}

// signupAnonymously opens a session for a user without address and password.
func (h *Handler) signupAnonymously(w http.ResponseWriter, r *http.Request, p signupParams) error {
	if h.cfg.DisableSignup {
		return unprocessable(codeSignupDisabled, "Signups not allowed for this instance")
	}
	aud := h.audience(r)
	var res *TokenResponse
	err := h.inTx(r, func(tx *work) error {
		id, err := tx.insertUser(newUser{Aud: aud, Data: p.Data, Anonymous: true}, "Database error creating anonymous user")
		if err != nil {
			return err
		}
		res, err = tx.signInLast(id, methodAnonymous)
		return err
	})
	if err != nil {
		return err
	}
	return writeToken(w, res)
}
