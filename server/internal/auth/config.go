package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/suparust/suparust/server/internal/auth/password"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/mail"
	"github.com/suparust/suparust/server/internal/session"
)

// Config of a Handler. The zero value of every setting is what the platform's
// local stack runs with; DB and Signer are required.
type Config struct {
	DB     *session.DB     // logs in as supabase_auth_admin
	Signer *gateway.Signer // signs access tokens
	Keys   gateway.KeySet  // the public parts of asymmetric keys are published as JWKS
	Mail   *mail.Box       // nil means a box of the handler's own
	SMTP   *mail.Sender    // mails are sent through it too; nil keeps them in the box
	Sender mail.Address    // of every mail; default admin@email.com
	Logger *slog.Logger    // nil discards
	Now    func() time.Time

	Version     string
	ExternalURL string // public address of this API, used in links; default http://127.0.0.1:54321/auth/v1
	Issuer      string // iss of access tokens; default ExternalURL
	SiteURL     string // where links lead when no other target is allowed; default http://127.0.0.1:3000
	// RedirectURLs are further targets links may lead to: * matches within a
	// part of the name or path, ** across parts, ? one character.
	RedirectURLs []string

	Audience    string        // aud of users; default authenticated
	DefaultRole string        // role of new users; default authenticated
	AdminRoles  []string      // roles that may call admin endpoints; default service_role, supabase_admin
	JWTExpiry   time.Duration // life of an access token; default one hour

	DisableSignup    bool // no new users but those an admin makes
	AnonymousSignIns bool
	ManualLinking    bool

	Email    EmailConfig
	Phone    PhoneConfig
	Password PasswordConfig
	Sessions SessionConfig
	MFA      MFAConfig
	OAuth    OAuthConfig

	// NoAuditTable keeps audit entries in the log alone.
	NoAuditTable bool
	// Transport is the way to everyone whom the handler asks by HTTP, where its
	// part of the configuration names none: providers, hooks, captcha, senders
	// of texts, addresses of templates. nil is the network, with bounds.
	Transport http.RoundTripper

	// Hooks by name, such as custom_access_token; see HookNames.
	Hooks   map[string]HookConfig
	Captcha CaptchaConfig
	Limits  LimitsConfig
}

// EmailConfig is about sign-in by email.
type EmailConfig struct {
	Disabled bool // neither sign-up nor sign-in by email
	// RequireConfirmation makes new users follow a mailed link, or type its
	// code, before they are signed in.
	RequireConfirmation bool
	// SingleConfirmChange asks only the new address to confirm a change, not
	// the old one too.
	SingleConfirmChange bool
	DisableMagicLink    bool
	// MaxFrequency is the least time between two mails of a kind to a user.
	// 0 means one second, less than 0 no limit.
	MaxFrequency time.Duration
	CodeLength   int           // digits of a code, 6 to 10; default 6
	CodeExpiry   time.Duration // default one hour
	// FixedCode, when set, is the code of every mail and message: for tests.
	FixedCode string
	// TestCodes are the fixed codes of addresses (lower case), for tests.
	TestCodes map[string]string
	// Templates of mails by kind: confirmation, invite, magic_link, recovery,
	// email_change, reauthentication, and the names of Notifications.
	Templates map[string]Template
	// Notifications that are sent: password_changed, email_changed,
	// phone_changed, identity_linked, identity_unlinked, mfa_factor_enrolled,
	// mfa_factor_unenrolled. Those not named are not.
	Notifications map[string]bool
	// URLPaths are the paths or addresses of links in the place of
	// ExternalURL/verify, by kind: confirmation, invite, recovery (magic links
	// too), email_change.
	URLPaths map[string]string
	// Headers are further fields of every mail; $messageType in a value is the
	// mail's kind.
	Headers map[string]string
}

// Template is the Go template of a kind of mail; an empty part keeps the
// built-in one.
type Template struct {
	Subject, HTML string
	// Location, when set, is where HTML comes from: an address, a file, or a
	// path of the site. It is read when a mail is sent.
	Location string
}

// PhoneConfig is about sign-in by phone number.
type PhoneConfig struct {
	Enabled             bool
	RequireConfirmation bool
	MaxFrequency        time.Duration     // 0 means five seconds, less than 0 no limit
	CodeLength          int               // default 6
	CodeExpiry          time.Duration     // default 100 minutes
	Template            string            // default "Your code is {{ .Code }}"
	TestCodes           map[string]string // number (digits) to its fixed code; nothing is sent
	TestCodesUntil      time.Time         // when TestCodes end; zero is never
	Service             SMSConfig         // sends the messages; without one they are in the mailbox alone
}

// testCode is the fixed code of a test number.
func (c *PhoneConfig) testCode(phone string, now time.Time) (code string, ok bool) {
	if !c.TestCodesUntil.IsZero() && !now.Before(c.TestCodesUntil) {
		return "", false
	}
	code, ok = c.TestCodes[phone]
	return code, ok
}

// PasswordConfig says which passwords are accepted and how they are stored.
type PasswordConfig struct {
	MinLength          int      // default, and least, 6
	RequiredCharacters []string // a password holds a character of each set
	Cost               password.Cost
	// RequireReauthentication asks for a mailed code before a password change
	// in a session older than a day.
	RequireReauthentication bool
	// RequireCurrent asks for the current password before a change.
	RequireCurrent bool
	// Leaked asks an outside service whether a new password is known.
	Leaked LeakedConfig
}

// SessionConfig limits sessions.
type SessionConfig struct {
	// KeepFamilyOnReuse turns off the revocation of all tokens of a session
	// when a used refresh token is presented again.
	KeepFamilyOnReuse bool
	// ReuseInterval is how long after its use a refresh token may be used
	// again; 0 means ten seconds, less than 0 not at all.
	ReuseInterval     time.Duration
	Timebox           time.Duration // longest life, 0 is endless
	InactivityTimeout time.Duration // longest time without a refresh, 0 is endless
	AllowLowAAL       time.Duration // longest life at aal1 of a user with a verified factor, 0 is endless
	SinglePerUser     bool          // only the session refreshed last may be refreshed
	// Tags of sessions, each of which has its single session of its own. The
	// first is that of sessions without a known one.
	Tags []string

	// CounterTokens gives new sessions refresh tokens that carry a signed
	// counter, in the place of random ones that are kept in a table.
	CounterTokens bool
	// UpgradePercentage is the share of the sessions with random tokens that a
	// refresh gives the other kind, where CounterTokens is set.
	UpgradePercentage int
	// AllowReuse accepts used counter tokens at any time.
	AllowReuse bool
}

// MFAConfig is about second factors.
type MFAConfig struct {
	DisableTOTPEnroll bool
	DisableTOTPVerify bool
	MaxFactors        int // default 10
	MaxVerified       int // default 10
	// ChallengeLife is how long a challenge may be answered, and UnverifiedLife
	// how long a factor may stay unverified; both are at least, and by default,
	// five minutes.
	ChallengeLife, UnverifiedLife time.Duration
	Phone                         PhoneFactorConfig
}

const (
	challengeLife      = 5 * time.Minute
	unverifiedLife     = 5 * time.Minute
	flowStateLife      = 5 * time.Minute
	reauthenticateAge  = 24 * time.Hour
	defaultAudience    = "authenticated"
	defaultExternalURL = "http://127.0.0.1:54321/auth/v1"
	defaultSiteURL     = "http://127.0.0.1:3000"
)

func (c Config) withDefaults() (Config, error) {
	if c.DB == nil || c.Signer == nil {
		return c, errors.New("auth: Config needs a DB and a Signer")
	}
	setDefault(&c.ExternalURL, defaultExternalURL)
	setDefault(&c.Issuer, c.ExternalURL)
	setDefault(&c.SiteURL, defaultSiteURL)
	setDefault(&c.Audience, defaultAudience)
	setDefault(&c.DefaultRole, "authenticated")
	setDefault(&c.Version, "dev")
	setDefault(&c.Sender, mail.Address{Name: "Admin", Address: "admin@email.com"})
	setDefault(&c.JWTExpiry, time.Hour)
	setDefault(&c.Email.MaxFrequency, time.Second)
	setDefault(&c.Email.CodeLength, 6)
	setDefault(&c.Email.CodeExpiry, time.Hour)
	setDefault(&c.Phone.MaxFrequency, 5*time.Second)
	setDefault(&c.Phone.CodeLength, 6)
	setDefault(&c.Phone.CodeExpiry, 6000*time.Second)
	setDefault(&c.Phone.Template, "Your code is {{ .Code }}")
	setDefault(&c.Sessions.ReuseInterval, 10*time.Second)
	setDefault(&c.MFA.MaxFactors, 10)
	setDefault(&c.MFA.MaxVerified, 10)
	c.MFA.ChallengeLife = max(c.MFA.ChallengeLife, challengeLife)
	c.MFA.UnverifiedLife = max(c.MFA.UnverifiedLife, unverifiedLife)
	setDefault(&c.MFA.Phone.CodeLength, 6)
	setDefault(&c.MFA.Phone.Template, "Your code is {{ .Code }}")
	setDefault(&c.MFA.Phone.MaxFrequency, 5*time.Second)
	setDefault(&c.OAuth.FlowLife, flowStateLife)
	c.Password.MinLength = max(c.Password.MinLength, 6)
	if len(c.AdminRoles) == 0 {
		c.AdminRoles = []string{"service_role", "supabase_admin"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Mail == nil {
		c.Mail = mail.NewBox(0)
	}
	for _, u := range []struct{ name, value string }{{"site URL", c.SiteURL}, {"external URL", c.ExternalURL}} {
		if p, err := url.Parse(u.value); err != nil || p.Scheme == "" {
			return c, fmt.Errorf("auth: the %s %q is no absolute URL", u.name, u.value)
		}
	}
	for _, n := range []struct {
		what string
		n    int
	}{{"email", c.Email.CodeLength}, {"phone", c.Phone.CodeLength}, {"phone factor", c.MFA.Phone.CodeLength}} {
		if n.n < 6 || n.n > 10 {
			return c, fmt.Errorf("auth: the %s code length %d is outside of 6 to 10", n.what, n.n)
		}
	}
	return c, nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
