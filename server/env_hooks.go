package server

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/hook"
)

// guardSettings are about what a project is asked by Auth, and what keeps it
// from being asked too much: hooks, captcha, limits, phones.
var guardSettings = slices.Concat(hookSettings, captchaSettings, limitSettings, phoneSettings)

var hookSettings = []Setting{
	{Name: "SUPARUST_HOOK_*", Aliases: []string{"GOTRUE_HOOK_*"}, Default: "none", Secret: true,
		Help: "A hook of Auth: SUPARUST_HOOK_CUSTOM_ACCESS_TOKEN_ENABLED, and _URI (`pg-functions://postgres/schema/function`, or an https address) and " +
			"_SECRETS (`v1,whsec_…`, several with | between). The hooks are custom_access_token, before_user_created, after_user_created, send_sms, " +
			"send_email, password_verification_attempt and mfa_verification_attempt.",
		setEach: setHook},
}

func setHook(c *Config, rest, value string) error {
	for _, name := range auth.HookNames() {
		part, ok := strings.CutPrefix(rest, strings.ToUpper(name)+"_")
		if !ok {
			continue
		}
		k := c.Auth.Hooks[name]
		switch part {
		case "ENABLED":
			if err := setBool(&k.Enabled, value); err != nil {
				return err
			}
		case "URI":
			k.URI = value
		case "SECRETS":
			k.Secrets = hook.Secrets(value)
		default:
			return fmt.Errorf("a hook has _ENABLED, _URI and _SECRETS, and no _%s", part)
		}
		if c.Auth.Hooks == nil {
			c.Auth.Hooks = map[string]HookConfig{}
		}
		c.Auth.Hooks[name] = k
		return nil
	}
	return fmt.Errorf("there is no such hook: the hooks are %s", strings.Join(auth.HookNames(), ", "))
}

var captchaSettings = []Setting{
	{Name: "SUPARUST_CAPTCHA_ENABLED", Aliases: []string{"GOTRUE_SECURITY_CAPTCHA_ENABLED"}, Default: "false", Help: "Ask for a solved captcha at sign-up, sign-in, and where mails and texts are sent.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.Captcha.Enabled })},
	{Name: "SUPARUST_CAPTCHA_PROVIDER", Aliases: []string{"GOTRUE_SECURITY_CAPTCHA_PROVIDER"}, Default: "hcaptcha", Help: "Who judges them: hcaptcha or turnstile.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Captcha.Provider })},
	{Name: "SUPARUST_CAPTCHA_SECRET", Aliases: []string{"GOTRUE_SECURITY_CAPTCHA_SECRET"}, Default: "none", Secret: true, Help: "The provider's secret.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Captcha.Secret })},
	{Name: "SUPARUST_CAPTCHA_TIMEOUT", Aliases: []string{"GOTRUE_SECURITY_CAPTCHA_TIMEOUT"}, Default: "10s", Help: "How long the provider may take.",
		set: positiveDuration(func(c *Config) *time.Duration { return &c.Auth.Captcha.Timeout })},
	{Name: "SUPARUST_CAPTCHA_URL", Default: "the provider's", Help: "Where solved captchas are verified.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Captcha.URL })},
}

var limitSettings = []Setting{
	{Name: "SUPARUST_RATE_LIMIT_HEADER", Aliases: []string{"GOTRUE_RATE_LIMIT_HEADER"}, Default: "none", Help: "Request header that names the client, such as X-Forwarded-For; without it " +
		"clients have no limits. Set it only behind a proxy that sets the header itself.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Limits.Header })},
	{Name: "SUPARUST_RATE_LIMIT_OTP", Aliases: []string{"GOTRUE_RATE_LIMIT_OTP"}, Default: "30", Help: "Sign-ups, codes and changes of a user that a client may ask for in five minutes, each of them.",
		set: countSetting(func(c *Config) *float64 { return &c.Auth.Limits.SignInSignUps })},
	{Name: "SUPARUST_RATE_LIMIT_VERIFY", Aliases: []string{"GOTRUE_RATE_LIMIT_VERIFY"}, Default: "30", Help: "Codes and links that a client may try in five minutes.",
		set: countSetting(func(c *Config) *float64 { return &c.Auth.Limits.Verifications })},
	{Name: "SUPARUST_RATE_LIMIT_TOKEN_REFRESH", Aliases: []string{"GOTRUE_RATE_LIMIT_TOKEN_REFRESH"}, Default: "150", Help: "Sign-ins and refreshes of a client in five minutes.",
		set: countSetting(func(c *Config) *float64 { return &c.Auth.Limits.TokenRefresh })},
	{Name: "SUPARUST_RATE_LIMIT_WEB3", Aliases: []string{"GOTRUE_RATE_LIMIT_WEB3"}, Default: "30", Help: "Sign-ins with a wallet of a client in five minutes.",
		set: countSetting(func(c *Config) *float64 { return &c.Auth.Limits.Web3 })},
	{Name: "SUPARUST_RATE_LIMIT_ANONYMOUS_USERS", Aliases: []string{"GOTRUE_RATE_LIMIT_ANONYMOUS_USERS"}, Default: "30", Help: "Anonymous sign-ins of a client in an hour.",
		set: countSetting(func(c *Config) *float64 { return &c.Auth.Limits.AnonymousUsers })},
	{Name: "SUPARUST_MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY", Aliases: []string{"GOTRUE_MFA_RATE_LIMIT_CHALLENGE_AND_VERIFY"}, Default: "15", Help: "Challenges of second factors, and codes for them, of a client in a minute.",
		set: countSetting(func(c *Config) *float64 { return &c.Auth.Limits.MFA })},
	{Name: "SUPARUST_RATE_LIMIT_EMAIL_SENT", Aliases: []string{"GOTRUE_RATE_LIMIT_EMAIL_SENT"}, Default: "30 with SMTP, else unbounded", Help: "Mails that leave in an hour where addresses are to be confirmed; 30/1m is 30 at once and one more each minute; 0 lets none leave.",
		set: rateSetting(func(c *Config) **auth.Rate { return &c.Auth.Limits.EmailsSent })},
	{Name: "SUPARUST_RATE_LIMIT_SMS_SENT", Aliases: []string{"GOTRUE_RATE_LIMIT_SMS_SENT"}, Default: "30", Help: "Text messages that leave in an hour where numbers are to be confirmed, in the same form.",
		set: rateSetting(func(c *Config) **auth.Rate { return &c.Auth.Limits.SMSSent })},
}

var phoneSettings = []Setting{
	{Name: "SUPARUST_MFA_PHONE_ENROLL_ENABLED", Aliases: []string{"GOTRUE_MFA_PHONE_ENROLL_ENABLED"}, Default: "false", Help: "Let users enroll a phone as a second factor.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.MFA.Phone.EnrollEnabled })},
	{Name: "SUPARUST_MFA_PHONE_VERIFY_ENABLED", Aliases: []string{"GOTRUE_MFA_PHONE_VERIFY_ENABLED"}, Default: "false", Help: "Let users sign in with such a factor.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.MFA.Phone.VerifyEnabled })},
	{Name: "SUPARUST_MFA_PHONE_OTP_LENGTH", Aliases: []string{"GOTRUE_MFA_PHONE_OTP_LENGTH"}, Default: "6", Help: "Digits of the codes it gets, 6 to 10.",
		set: intSetting(func(c *Config) *int { return &c.Auth.MFA.Phone.CodeLength })},
	{Name: "SUPARUST_MFA_PHONE_TEMPLATE", Aliases: []string{"GOTRUE_MFA_PHONE_TEMPLATE"}, Default: "`Your code is {{ .Code }}`", Help: "What it is texted, a Go template.",
		set: textSetting(func(c *Config) *string { return &c.Auth.MFA.Phone.Template })},
	{Name: "SUPARUST_MFA_PHONE_MAX_FREQUENCY", Aliases: []string{"GOTRUE_MFA_PHONE_MAX_FREQUENCY"}, Default: "5s", Help: "Least time between two texts to a factor; 0 bounds nothing.",
		set: func(c *Config, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d < 0 {
				return fmt.Errorf("%q is no duration such as 5s", v)
			}
			if c.Auth.MFA.Phone.MaxFrequency = d; d == 0 {
				c.Auth.MFA.Phone.MaxFrequency = -1
			}
			return nil
		}},
	{Name: "SUPARUST_SMS_PROVIDER", Aliases: []string{"GOTRUE_SMS_PROVIDER"}, Default: "none: the mailbox", Help: "Who sends text messages: twilio, twilio_verify, messagebird, vonage or textlocal.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Texts.Provider })},
	{Name: "SUPARUST_SMS_URL", Default: "the provider's", Help: "Base address of that service.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Texts.URL })},
	{Name: "SUPARUST_SMS_TWILIO_*", Aliases: []string{"GOTRUE_SMS_TWILIO_*"}, Default: "none", Secret: true,
		Help:    "The account: _ACCOUNT_SID, _AUTH_TOKEN, _MESSAGE_SERVICE_SID, _CONTENT_SID, and of Twilio Verify SUPARUST_SMS_TWILIO_VERIFY_ACCOUNT_SID and so on.",
		setEach: setTwilio},
	{Name: "SUPARUST_SMS_MESSAGEBIRD_*", Aliases: []string{"GOTRUE_SMS_MESSAGEBIRD_*"}, Default: "none", Secret: true, Help: "The account: _ACCESS_KEY, _ORIGINATOR.",
		setEach: setAccount("messagebird")},
	{Name: "SUPARUST_SMS_VONAGE_*", Aliases: []string{"GOTRUE_SMS_VONAGE_*"}, Default: "none", Secret: true, Help: "The account: _API_KEY, _API_SECRET, _FROM.",
		setEach: setAccount("vonage")},
	{Name: "SUPARUST_SMS_TEXTLOCAL_*", Aliases: []string{"GOTRUE_SMS_TEXTLOCAL_*"}, Default: "none", Secret: true, Help: "The account: _API_KEY, _SENDER.",
		setEach: setAccount("textlocal")},
}

func setTwilio(c *Config, rest, value string) error {
	if part, ok := strings.CutPrefix(rest, "VERIFY_"); ok {
		return setAccount("twilio_verify")(c, part, value)
	}
	return setAccount("twilio")(c, rest, value)
}

// setAccount sets a part of the account with a provider.
func setAccount(provider string) func(c *Config, part, value string) error {
	return func(c *Config, part, value string) error {
		a := c.Auth.Texts.Accounts[provider]
		field := map[string]*string{
			"ACCOUNT_SID": &a.AccountSID, "AUTH_TOKEN": &a.AuthToken, "MESSAGE_SERVICE_SID": &a.MessageServiceSID, "CONTENT_SID": &a.ContentSID,
			"ACCESS_KEY": &a.AccessKey, "ORIGINATOR": &a.Originator, "API_KEY": &a.APIKey, "API_SECRET": &a.APISecret, "FROM": &a.From, "SENDER": &a.Sender,
		}[part]
		if field == nil {
			return errNoMember
		}
		*field = value
		c.Auth.Texts.set(provider, a)
		return nil
	}
}

// countSetting sets a number of events, which may be a part of one.
func countSetting(field func(*Config) *float64) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || !(n >= 0 && n < 1e9) {
			return fmt.Errorf("%q is no number from 0", v)
		}
		*field(c) = n
		return nil
	}
}

func rateSetting(field func(*Config) **auth.Rate) func(*Config, string) error {
	return func(c *Config, v string) error {
		r, err := auth.ParseRate(v)
		if err != nil {
			return err
		}
		*field(c) = r
		return nil
	}
}

func positiveDuration(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return errors.New("it is no duration above 0 such as 10s")
		}
		*field(c) = d
		return nil
	}
}
