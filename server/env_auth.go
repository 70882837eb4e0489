package server

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// authSettings are about /auth/v1.
var authSettings = slices.Concat(signUpSettings, passwordSettings, tokenSettings, sessionSettings, codeSettings, factorSettings)

// signUpSettings say who may come in, and where links lead.
var signUpSettings = []Setting{
	{Name: "SUPARUST_SITE_URL", Aliases: []string{"GOTRUE_SITE_URL", "SITE_URL"}, Default: "http://127.0.0.1:3000", Help: "Where links in mails lead when no other target is allowed.",
		set: textSetting(func(c *Config) *string { return &c.Auth.SiteURL })},
	{Name: "SUPARUST_URI_ALLOW_LIST", Aliases: []string{"SUPARUST_REDIRECT_URLS", "GOTRUE_URI_ALLOW_LIST", "ADDITIONAL_REDIRECT_URLS"}, Default: "none", Help: "Further targets that links may lead to, with commas between: * matches within a part of the name or path, ** across parts, ? one character.",
		set: listSetting(func(c *Config) *[]string { return &c.Auth.RedirectURLs })},
	{Name: "SUPARUST_AUTH_EXTERNAL_URL", Default: "SUPARUST_PUBLIC_URL and /auth/v1", Help: "Address of Auth that links in mails and sign-in providers lead to.",
		set: func(c *Config, v string) error { c.Auth.ExternalURL = strings.TrimSuffix(v, "/"); return nil }},
	{Name: "SUPARUST_AUTH_AT_ROOT", Default: "false, true with GOTRUE_API_PORT", Help: "Answer Auth's paths at the root, too, as a GoTrue behind a gateway does.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.AtRoot })},
	{Name: "SUPARUST_DISABLE_SIGNUP", Aliases: []string{"GOTRUE_DISABLE_SIGNUP", "DISABLE_SIGNUP"}, Default: "false", Help: "Refuse new users but those an admin makes.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.DisableSignup })},
	{Name: "SUPARUST_ANONYMOUS_SIGN_INS", Aliases: []string{"SUPARUST_ENABLE_ANONYMOUS_USERS", "GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED", "ENABLE_ANONYMOUS_USERS"}, Default: "false", Help: "Allow sign-in without an address.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.AnonymousSignIns })},
	{Name: "SUPARUST_EMAIL_ENABLED", Aliases: []string{"SUPARUST_ENABLE_EMAIL_SIGNUP", "GOTRUE_EXTERNAL_EMAIL_ENABLED", "ENABLE_EMAIL_SIGNUP"}, Default: "true", Help: "Allow sign-up and sign-in by email.",
		set: notSetting(func(c *Config) *bool { return &c.Auth.Email.Disabled })},
	{Name: "SUPARUST_MAGIC_LINK_ENABLED", Aliases: []string{"GOTRUE_EXTERNAL_EMAIL_MAGIC_LINK_ENABLED"}, Default: "true", Help: "Allow sign-in by a mailed link or code.",
		set: notSetting(func(c *Config) *bool { return &c.Auth.Email.DisableMagicLink })},
	{Name: "SUPARUST_MAILER_AUTOCONFIRM", Aliases: []string{"SUPARUST_ENABLE_EMAIL_AUTOCONFIRM", "GOTRUE_MAILER_AUTOCONFIRM", "ENABLE_EMAIL_AUTOCONFIRM"}, Default: "true", Help: "Sign new users in at once; false makes them follow a mailed link, or type its code, first.",
		set: notSetting(func(c *Config) *bool { return &c.Auth.Email.RequireConfirmation })},
	{Name: "SUPARUST_MAILER_SECURE_EMAIL_CHANGE_ENABLED", Aliases: []string{"GOTRUE_MAILER_SECURE_EMAIL_CHANGE_ENABLED"}, Default: "true", Help: "Let both addresses confirm a change, not the new one alone.",
		set: notSetting(func(c *Config) *bool { return &c.Auth.Email.SingleConfirmChange })},
	{Name: "SUPARUST_PHONE_ENABLED", Aliases: []string{"GOTRUE_EXTERNAL_PHONE_ENABLED", "ENABLE_PHONE_SIGNUP"}, Default: "false", Help: "Allow sign-up and sign-in by phone.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.Phone.Enabled })},
	{Name: "SUPARUST_SMS_AUTOCONFIRM", Aliases: []string{"GOTRUE_SMS_AUTOCONFIRM", "ENABLE_PHONE_AUTOCONFIRM"}, Default: "true", Help: "Sign new users with a phone in at once; false makes them type a code first.",
		set: notSetting(func(c *Config) *bool { return &c.Auth.Phone.RequireConfirmation })},
	{Name: "SUPARUST_MANUAL_LINKING_ENABLED", Aliases: []string{"GOTRUE_SECURITY_MANUAL_LINKING_ENABLED"}, Default: "false", Help: "Let users connect further sign-in providers to themselves.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.ManualLinking })},
	{Name: "SUPARUST_AUDIT_LOG_DISABLE_POSTGRES", Aliases: []string{"GOTRUE_AUDIT_LOG_DISABLE_POSTGRES"}, Default: "false", Help: "Write audit entries to the log, at the level info, in the place of auth.audit_log_entries.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.NoAuditTable })},
}

// passwordSettings say which passwords are taken and how they are kept.
var passwordSettings = []Setting{
	{Name: "SUPARUST_PASSWORD_MIN_LENGTH", Aliases: []string{"GOTRUE_PASSWORD_MIN_LENGTH"}, Default: "6", Help: "Least length of a new password; less than 6 means 6.",
		set: intSetting(func(c *Config) *int { return &c.Auth.Password.MinLength })},
	{Name: "SUPARUST_PASSWORD_REQUIRED_CHARACTERS", Aliases: []string{"GOTRUE_PASSWORD_REQUIRED_CHARACTERS"}, Default: "none", Help: `Sets of characters with : between, of each of which a new password has one: abc…:012…; \: is a : of a set.`,
		set: func(c *Config, v string) error { c.Auth.Password.RequiredCharacters = characterSets(v); return nil }},
	{Name: "SUPARUST_PASSWORD_HIBP_ENABLED", Aliases: []string{"GOTRUE_PASSWORD_HIBP_ENABLED"}, Default: "false", Help: "Refuse passwords that haveibeenpwned.com knows; five digits of a password's hash are sent there.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.Password.Leaked.Enabled })},
	{Name: "SUPARUST_PASSWORD_HIBP_FAIL_CLOSED", Aliases: []string{"GOTRUE_PASSWORD_HIBP_FAIL_CLOSED"}, Default: "false", Help: "Refuse new passwords while that service does not answer.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.Password.Leaked.FailClosed })},
	{Name: "SUPARUST_PASSWORD_HIBP_USER_AGENT", Aliases: []string{"GOTRUE_PASSWORD_HIBP_USER_AGENT"}, Default: "suparust", Help: "What that service is told of who asks.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Password.Leaked.UserAgent })},
	{Name: "SUPARUST_PASSWORD_HIBP_URL", Default: "https://api.pwnedpasswords.com", Help: "Where that service, or a copy of it, is.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Password.Leaked.URL })},
	{Name: "SUPARUST_PASSWORD_BCRYPT_COST", Default: "none: Argon2id", Help: "Keep new passwords as bcrypt hashes of this cost, 4 to 31, for SQL that compares them with crypt(); hashes of the other kind are replaced when their users sign in.",
		set: intSetting(func(c *Config) *int { return &c.Auth.Password.Cost.Bcrypt })},
	{Name: "SUPARUST_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION", Aliases: []string{"GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION"}, Default: "false", Help: "Ask for a mailed code before a password is changed in a session older than a day.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.Password.RequireReauthentication })},
	{Name: "SUPARUST_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD", Aliases: []string{"GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD"}, Default: "false", Help: "Ask for the current password before it is changed.",
		set: boolSetting(func(c *Config) *bool { return &c.Auth.Password.RequireCurrent })},
}

// codeSettings are about the codes that mails and texts carry.
var codeSettings = []Setting{
	{Name: "SUPARUST_MAILER_OTP_LENGTH", Aliases: []string{"GOTRUE_MAILER_OTP_LENGTH"}, Default: "6", Help: "Digits of a mailed code, 6 to 10.",
		set: intSetting(func(c *Config) *int { return &c.Auth.Email.CodeLength })},
	{Name: "SUPARUST_MAILER_OTP_EXP", Aliases: []string{"GOTRUE_MAILER_OTP_EXP"}, Default: "3600", Help: "Seconds that a mailed code and link are good for.",
		set: secondsSetting(func(c *Config) *time.Duration { return &c.Auth.Email.CodeExpiry })},
	{Name: "SUPARUST_SMTP_MAX_FREQUENCY", Aliases: []string{"GOTRUE_SMTP_MAX_FREQUENCY"}, Default: "1s", Help: "Least time between two mails of a kind to a user; 0 bounds nothing.",
		set: frequencySetting(func(c *Config) *time.Duration { return &c.Auth.Email.MaxFrequency })},
	{Name: "SUPARUST_FIXED_CODE", Default: "none: random", Secret: true, Help: "The code of every mail and text, for tests: whoever knows it signs in as anyone.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Email.FixedCode })},
	{Name: "SUPARUST_TEST_OTP", Default: "none", Secret: true, Help: "Fixed codes of addresses, for tests: `ann@example.com:123456`, with commas between.",
		set: codesSetting(func(c *Config) *map[string]string { return &c.Auth.Email.TestCodes }, strings.ToLower)},
	{Name: "SUPARUST_SMS_OTP_LENGTH", Aliases: []string{"GOTRUE_SMS_OTP_LENGTH"}, Default: "6", Help: "Digits of a texted code, 6 to 10.",
		set: intSetting(func(c *Config) *int { return &c.Auth.Phone.CodeLength })},
	{Name: "SUPARUST_SMS_OTP_EXP", Aliases: []string{"GOTRUE_SMS_OTP_EXP"}, Default: "6000", Help: "Seconds that a texted code is good for.",
		set: secondsSetting(func(c *Config) *time.Duration { return &c.Auth.Phone.CodeExpiry })},
	{Name: "SUPARUST_SMS_MAX_FREQUENCY", Aliases: []string{"GOTRUE_SMS_MAX_FREQUENCY"}, Default: "5s", Help: "Least time between two texts to a user; 0 bounds nothing.",
		set: frequencySetting(func(c *Config) *time.Duration { return &c.Auth.Phone.MaxFrequency })},
	{Name: "SUPARUST_SMS_TEMPLATE", Aliases: []string{"GOTRUE_SMS_TEMPLATE"}, Default: "`Your code is {{ .Code }}`", Help: "What a text says, a Go template.",
		set: textSetting(func(c *Config) *string { return &c.Auth.Phone.Template })},
	{Name: "SUPARUST_SMS_TEST_OTP", Aliases: []string{"GOTRUE_SMS_TEST_OTP"}, Default: "none", Secret: true, Help: "Fixed codes of phone numbers, to which nothing is sent: `15550001111:123456`, with commas between.",
		set: codesSetting(func(c *Config) *map[string]string { return &c.Auth.Phone.TestCodes }, phoneKey)},
	{Name: "SUPARUST_SMS_TEST_OTP_VALID_UNTIL", Aliases: []string{"GOTRUE_SMS_TEST_OTP_VALID_UNTIL"}, Default: "endless", Help: "When those codes end: `2030-01-31T00:00:00Z`.",
		set: func(c *Config, v string) error {
			at, err := time.Parse(time.RFC3339, strings.TrimSpace(v))
			if err != nil {
				return errors.New("it is no time such as 2030-01-31T00:00:00Z")
			}
			c.Auth.Phone.TestCodesUntil = at
			return nil
		}},
}

// characterSets are the parts of a list that is parted by : and where \: is a
// character of its own.
func characterSets(v string) []string {
	var sets []string
	set := ""
	for part := range strings.SplitSeq(v, ":") {
		if open, ok := strings.CutSuffix(part, `\`); ok {
			set += open + ":"
			continue
		}
		if set += part; set != "" {
			sets = append(sets, set)
		}
		set = ""
	}
	if set != "" { // nothing follows the last \:
		sets = append(sets, strings.TrimSuffix(set, ":")+`\`)
	}
	return sets
}

// phoneKey is a number as it is kept.
func phoneKey(number string) string {
	return strings.ReplaceAll(strings.TrimPrefix(number, "+"), " ", "")
}

// codesSetting reads key:code pairs with commas between.
func codesSetting(field func(*Config) *map[string]string, clean func(string) string) func(*Config, string) error {
	return func(c *Config, v string) error {
		codes := map[string]string{}
		for _, pair := range textList(v) {
			at := strings.LastIndexByte(pair, ':')
			if at <= 0 || at == len(pair)-1 {
				return errors.New("an entry is not an address or number, a : and its code")
			}
			codes[clean(strings.TrimSpace(pair[:at]))] = strings.TrimSpace(pair[at+1:])
		}
		*field(c) = codes
		return nil
	}
}

// durationSetting is a Go duration, or a number of seconds; 0 means none.
func durationSetting(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		d, err := time.ParseDuration(v)
		if n, atoi := strconv.Atoi(v); atoi == nil && n < 1<<30 {
			d, err = time.Duration(n)*time.Second, nil
		}
		if err != nil || d < 0 {
			return fmt.Errorf("%q is no duration such as 30s, 12h or 1h30m", v)
		}
		*field(c) = d
		return nil
	}
}

// frequencySetting is a durationSetting of a least distance: 0 bounds nothing.
func frequencySetting(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		if err := durationSetting(field)(c, v); err != nil {
			return err
		}
		if *field(c) == 0 {
			*field(c) = -1
		}
		return nil
	}
}
