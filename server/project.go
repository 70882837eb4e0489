package server

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/project"
)

// FindProject searches upward from dir for a folder with supabase/config.toml
// or supabase/migrations, up to the repository's root. root is the folder that
// contains supabase/.
func FindProject(dir string) (root string, ok bool, err error) { return project.Find(dir) }

// LoadProject takes the project whose supabase/ folder stands in root into c:
// its config.toml becomes c's settings, with the ports, keys and password of
// the platform's local stack, bound to loopback because those keys are public.
// lookup is the environment that env(NAME) values are taken from. The warnings
// say what was ignored.
func (c *Config) LoadProject(root string, lookup func(string) (string, bool)) (warnings []string, err error) {
	p, err := project.Load(root, lookup)
	if err != nil {
		return nil, err
	}
	c.project = p
	c.Quickstart = false
	t := p.Config
	c.BindAddr, c.Port = "127.0.0.1", int(t.API.Port)
	if t.API.ExternalURL != "" {
		c.PublicURL = strings.TrimSuffix(t.API.ExternalURL, "/")
	}
	c.REST.Schemas, c.REST.ExtraSearchPath, c.REST.MaxRows = t.API.Schemas, t.API.ExtraSearchPath, t.API.MaxRows
	c.Database.Port, c.Database.ListenAddr = int(t.DB.Port), "127.0.0.1"
	c.Database.DataDir = filepath.Join(root, "supabase", ".temp", "suparust", "postgres")
	c.Database.Version = t.DB.MajorVersion
	c.Storage.Root = filepath.Join(root, "supabase", ".temp", "suparust", "storage")
	c.Storage.FileSizeLimit = int64(t.Storage.FileSizeLimit)
	c.Storage.Images.Enabled = t.Storage.ImageTransformation.Enabled
	c.Storage.S3Protocol.Disabled = !t.Storage.S3Protocol.Enabled
	c.Storage.S3Protocol.useDemoKeys()
	c.Keys = Keys{
		JWTSecret:      string(t.Auth.JWTSecret),
		AnonKey:        string(t.Auth.AnonKey),
		ServiceRoleKey: string(t.Auth.ServiceRoleKey),
		PublishableKey: string(t.Auth.PublishableKey),
		SecretKey:      string(t.Auth.SecretKey),
	}
	if c.Keys.JWTSecret == "" {
		c.Keys.JWTSecret = DemoJWTSecret
	}
	c.loadMail(p)
	if err := c.loadAuth(p); err != nil {
		return nil, err
	}
	warnUnserved(p)
	return p.Warnings, nil
}

func (c *Config) loadAuth(p *project.Project) error {
	t, a := &p.Config.Auth, &c.Auth
	a.SiteURL, a.RedirectURLs, a.Issuer = t.SiteURL, t.AdditionalRedirectURLs, t.JWTIssuer
	a.ExternalURL = strings.TrimSuffix(given(t.ExternalURL), "/")
	a.JWTExpiry = seconds(t.JWTExpiry)
	a.DisableSignup = !t.EnableSignup
	a.AnonymousSignIns = t.EnableAnonymousSignIns
	a.ManualLinking = t.EnableManualLinking
	a.Email = EmailConfig{
		Disabled:            !t.Email.EnableSignup,
		RequireConfirmation: t.Email.EnableConfirmations,
		SingleConfirmChange: !t.Email.DoubleConfirmChanges,
		MaxFrequency:        t.Email.MaxFrequency,
		CodeLength:          t.Email.OTPLength,
		CodeExpiry:          seconds(t.Email.OTPExpiry),
	}
	a.Phone = PhoneConfig{
		Enabled:             t.SMS.EnableSignup,
		RequireConfirmation: t.SMS.EnableConfirmations,
		MaxFrequency:        t.SMS.MaxFrequency,
		Template:            t.SMS.Template,
		TestCodes:           t.SMS.TestOTP,
	}
	a.Password = PasswordConfig{
		MinLength:               t.MinimumPasswordLength,
		RequiredCharacters:      passwordCharacters(t.PasswordRequirements),
		RequireReauthentication: t.Email.SecurePasswordChange,
	}
	a.Sessions = SessionConfig{
		KeepFamilyOnReuse: !t.EnableRefreshTokenRotation,
		ReuseInterval:     seconds(t.RefreshTokenReuseInterval),
		Timebox:           t.Sessions.Timebox,
		InactivityTimeout: t.Sessions.InactivityTimeout,
	}
	if a.Sessions.ReuseInterval == 0 {
		a.Sessions.ReuseInterval = -1 // the file says none; zero is the default here
	}
	a.MFA = MFAConfig{
		DisableTOTPEnroll: !t.MFA.TOTP.EnrollEnabled,
		DisableTOTPVerify: !t.MFA.TOTP.VerifyEnabled,
		MaxFactors:        t.MFA.MaxEnrolledFactors,
	}
	a.loadProviders(p)
	a.loadGuards(p)
	if t.SigningKeysPath != "" {
		keys, err := p.ReadFile(t.SigningKeysPath)
		if err != nil {
			return fmt.Errorf("the signing keys auth.signing_keys_path: %w", err)
		}
		a.SigningKeys = keys
	}
	return a.loadTemplates(p)
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

const (
	lowerLetters = "abcdefghijklmnopqrstuvwxyz"
	upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
	symbols      = "!@#$%^&*()_+-=[]{};'\\:\"|<>?,./`~"
)

// passwordCharacters are the sets behind auth.password_requirements.
func passwordCharacters(requirements string) []string {
	switch requirements {
	case "letters_digits":
		return []string{lowerLetters + upperLetters, digits}
	case "lower_upper_letters_digits":
		return []string{lowerLetters, upperLetters, digits}
	case "lower_upper_letters_digits_symbols":
		return []string{lowerLetters, upperLetters, digits, symbols}
	default:
		return nil
	}
}

// source is the project that a fresh database is filled with, nil when there
// is none.
func (c *Config) source() (*project.Project, error) {
	if c.Migrations != nil {
		p, err := project.FromFS(c.Migrations)
		if err != nil {
			return nil, fmt.Errorf("read the migrations: %w", err)
		}
		return p, nil
	}
	return c.project, nil
}
