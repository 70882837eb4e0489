package server

import (
	"fmt"
	"slices"
	"strings"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/hook"
	"github.com/suparust/suparust/server/internal/project"
)

// Parts of AuthConfig that guard it.
type (
	// HookConfig is a function of the database, or an HTTP server, that a step
	// of Auth asks.
	HookConfig    = auth.HookConfig
	CaptchaConfig = auth.CaptchaConfig
	// LimitsConfig bounds what clients may ask of Auth.
	LimitsConfig      = auth.LimitsConfig
	PhoneFactorConfig = auth.PhoneFactorConfig
	// SMSAccount is the account with a provider of text messages.
	SMSAccount = auth.SMSConfig
)

// DefaultLimits are the platform's own.
func DefaultLimits() LimitsConfig { return auth.DefaultLimits() }

// defaultLimits are those of a server whose mails stay in the mailbox.
func defaultLimits() LimitsConfig {
	l := DefaultLimits()
	l.EmailsSent = nil
	return l
}

// HourlyRate is a rate of so many an hour, for LimitsConfig.
func HourlyRate(n float64) *auth.Rate { return auth.Hourly(n) }

// TextsConfig says who sends text messages.
type TextsConfig struct {
	Provider string // "" is nobody: they are in the mailbox alone
	Accounts map[string]SMSAccount
	URL      string // "" is the provider's address
}

func (t *TextsConfig) set(provider string, a SMSAccount) {
	if t.Accounts == nil {
		t.Accounts = map[string]SMSAccount{}
	}
	t.Accounts[provider] = a
}

// account is the one of the provider that is chosen.
func (t *TextsConfig) account() SMSAccount {
	a := t.Accounts[t.Provider]
	a.Provider, a.URL = t.Provider, t.URL
	return a
}

func (c *Config) validateGuards() error {
	if err := auth.CheckHooks(c.Auth.Hooks); err != nil {
		return fmt.Errorf("%w (set in [auth.hook.<name>] of config.toml, or SUPARUST_HOOK_<NAME>_URI and _SECRETS)", err)
	}
	if err := auth.CheckCaptcha(c.Auth.Captcha); err != nil {
		return fmt.Errorf("%w (set in [auth.captcha] of config.toml, or SUPARUST_CAPTCHA_PROVIDER and SUPARUST_CAPTCHA_SECRET)", err)
	}
	if err := auth.CheckSMS(c.Auth.Texts.account()); err != nil {
		return fmt.Errorf("%w (set in [auth.sms.<provider>] of config.toml, or SUPARUST_SMS_PROVIDER and SUPARUST_SMS_<PROVIDER>_…)", err)
	}
	return nil
}

// limits are those of the configuration: mails that only the mailbox gets are
// not bounded.
func (c *Config) limits() LimitsConfig {
	l := c.Auth.Limits
	if l.EmailsSent == nil && c.Mail.SMTP.Host != "" {
		l.EmailsSent = DefaultLimits().EmailsSent
	}
	return l
}

// unguarded takes away what would make a test talk to the world, or wait.
func (a *AuthConfig) unguarded() {
	a.Limits = LimitsConfig{}
	a.Captcha = CaptchaConfig{}
	a.Texts.Provider = ""
	a.MFA.Phone.MaxFrequency = -1
}

// loadGuards takes [auth.hook.*], [auth.captcha], [auth.rate_limit],
// [auth.mfa.phone] and the providers of [auth.sms] over.
func (a *AuthConfig) loadGuards(p *project.Project) {
	t := &p.Config.Auth
	for name, k := range t.Hook {
		if !slices.Contains(auth.HookNames(), name) {
			p.Warnings = append(p.Warnings, fmt.Sprintf("auth.hook.%s is no hook: the hooks are %s", name, strings.Join(auth.HookNames(), ", ")))
			continue
		}
		if a.Hooks == nil {
			a.Hooks = map[string]HookConfig{}
		}
		a.Hooks[name] = HookConfig{Enabled: k.Enabled, URI: given(k.URI), Secrets: hook.Secrets(given(string(k.Secrets)))}
	}
	a.Captcha.Enabled, a.Captcha.Provider, a.Captcha.Secret = t.Captcha.Enabled, t.Captcha.Provider, given(string(t.Captcha.Secret))
	r := &t.RateLimit
	a.Limits = LimitsConfig{
		Header: a.Limits.Header, SignInSignUps: float64(r.SignInSignUps), Verifications: float64(r.TokenVerifications),
		TokenRefresh: float64(r.TokenRefresh), Web3: float64(r.Web3), AnonymousUsers: float64(r.AnonymousUsers), MFA: DefaultLimits().MFA,
		SMSSent: auth.Hourly(float64(r.SMSSent)),
	}
	if s := t.Email.SMTP; s != nil && s.Enabled {
		a.Limits.EmailsSent = auth.Hourly(float64(r.EmailSent))
	}
	f := &t.MFA.Phone
	a.MFA.Phone = PhoneFactorConfig{EnrollEnabled: f.EnrollEnabled, VerifyEnabled: f.VerifyEnabled, CodeLength: f.OTPLength, Template: f.Template, MaxFrequency: f.MaxFrequency}
	a.loadTexts(p)
}

func (a *AuthConfig) loadTexts(p *project.Project) {
	t := &p.Config.Auth.SMS
	for _, s := range []struct {
		name string
		p    project.SMSProvider
	}{{"twilio", t.Twilio}, {"twilio_verify", t.TwilioVerify}, {"messagebird", t.MessageBird}, {"textlocal", t.TextLocal}, {"vonage", t.Vonage}} {
		a.Texts.set(s.name, SMSAccount{
			AccountSID: given(s.p.AccountSID), AuthToken: given(string(s.p.AuthToken)), MessageServiceSID: given(s.p.MessageServiceSID),
			AccessKey: given(string(s.p.AccessKey)), Originator: given(s.p.Originator),
			APIKey: given(string(s.p.APIKey)), Sender: given(s.p.Sender), APISecret: given(string(s.p.APISecret)), From: given(s.p.From),
		})
		if !s.p.Enabled || a.Texts.Provider != "" {
			continue
		}
		a.Texts.Provider = s.name
		if err := auth.CheckSMS(a.Texts.account()); err != nil {
			p.Warnings = append(p.Warnings, fmt.Sprintf("auth.sms.%s: %v; its messages are in the mailbox alone", s.name, err))
			a.Texts.Provider = ""
		}
	}
}
