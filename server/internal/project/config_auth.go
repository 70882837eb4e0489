package project

import "time"

// Auth is [auth].
type Auth struct {
	Enabled                    bool     `toml:"enabled"`
	SiteURL                    string   `toml:"site_url"`
	ExternalURL                string   `toml:"external_url"`
	AdditionalRedirectURLs     []string `toml:"additional_redirect_urls"`
	JWTExpiry                  int      `toml:"jwt_expiry"` // seconds
	JWTIssuer                  string   `toml:"jwt_issuer"`
	SigningKeysPath            string   `toml:"signing_keys_path"` // relative to supabase/
	EnableRefreshTokenRotation bool     `toml:"enable_refresh_token_rotation"`
	RefreshTokenReuseInterval  int      `toml:"refresh_token_reuse_interval"` // seconds
	EnableSignup               bool     `toml:"enable_signup"`
	EnableAnonymousSignIns     bool     `toml:"enable_anonymous_sign_ins"`
	EnableManualLinking        bool     `toml:"enable_manual_linking"`
	MinimumPasswordLength      int      `toml:"minimum_password_length"`
	PasswordRequirements       string   `toml:"password_requirements"`

	// Keys that replace the well-known local ones.
	PublishableKey Secret `toml:"publishable_key"`
	SecretKey      Secret `toml:"secret_key"`
	JWTSecret      Secret `toml:"jwt_secret"`
	AnonKey        Secret `toml:"anon_key"`
	ServiceRoleKey Secret `toml:"service_role_key"`

	Email       Email                 `toml:"email"`
	SMS         SMS                   `toml:"sms"`
	External    map[string]Provider   `toml:"external"` // by provider
	Hook        map[string]Hook       `toml:"hook"`     // by name: custom_access_token, send_email, …
	MFA         MFA                   `toml:"mfa"`
	Sessions    Sessions              `toml:"sessions"`
	RateLimit   RateLimit             `toml:"rate_limit"`
	Captcha     Captcha               `toml:"captcha"`
	Passkey     Toggle                `toml:"passkey"`
	WebAuthn    WebAuthn              `toml:"webauthn"`
	Web3        map[string]Toggle     `toml:"web3"` // solana, ethereum
	ThirdParty  map[string]ThirdParty `toml:"third_party"`
	OAuthServer OAuthServer           `toml:"oauth_server"`
}

// Email is [auth.email].
type Email struct {
	EnableSignup         bool                     `toml:"enable_signup,enabled"`
	DoubleConfirmChanges bool                     `toml:"double_confirm_changes"`
	EnableConfirmations  bool                     `toml:"enable_confirmations"`
	SecurePasswordChange bool                     `toml:"secure_password_change"`
	MaxFrequency         time.Duration            `toml:"max_frequency"`
	OTPLength            int                      `toml:"otp_length"`
	OTPExpiry            int                      `toml:"otp_expiry"`   // seconds
	Template             map[string]EmailTemplate `toml:"template"`     // invite, confirmation, recovery, magic_link, email_change, reauthentication
	Notification         map[string]EmailTemplate `toml:"notification"` // password_changed, email_changed, …
	SMTP                 *SMTP                    `toml:"smtp"`         // nil = the mailbox only
}

// EmailTemplate is [auth.email.template.<name>] and [auth.email.notification.<name>].
type EmailTemplate struct {
	Enabled     bool   `toml:"enabled"` // of notifications
	Subject     string `toml:"subject"`
	Content     string `toml:"content"`
	ContentPath string `toml:"content_path"` // see [Project.ReadFile]
}

// SMTP is [auth.email.smtp].
type SMTP struct {
	Enabled    bool   `toml:"enabled"` // true when the section is there
	Host       string `toml:"host"`
	Port       uint16 `toml:"port"`
	User       string `toml:"user"`
	Pass       Secret `toml:"pass"`
	AdminEmail string `toml:"admin_email"`
	SenderName string `toml:"sender_name"`
}

func (s *SMTP) setDefaults() { s.Enabled = true }

// SMS is [auth.sms].
type SMS struct {
	EnableSignup        bool              `toml:"enable_signup,enabled"`
	EnableConfirmations bool              `toml:"enable_confirmations"`
	Template            string            `toml:"template"`
	MaxFrequency        time.Duration     `toml:"max_frequency"`
	TestOTP             map[string]string `toml:"test_otp"` // code by phone number
	Twilio              SMSProvider       `toml:"twilio"`
	TwilioVerify        SMSProvider       `toml:"twilio_verify"`
	MessageBird         SMSProvider       `toml:"messagebird"`
	TextLocal           SMSProvider       `toml:"textlocal"`
	Vonage              SMSProvider       `toml:"vonage"`
}

// SMSProvider is a section such as [auth.sms.twilio], with the keys of all of them.
type SMSProvider struct {
	Enabled           bool   `toml:"enabled"`
	AccountSID        string `toml:"account_sid"`
	MessageServiceSID string `toml:"message_service_sid"`
	AuthToken         Secret `toml:"auth_token"`
	Originator        string `toml:"originator"`
	AccessKey         Secret `toml:"access_key"`
	Sender            string `toml:"sender"`
	From              string `toml:"from"`
	APIKey            Secret `toml:"api_key"`
	APISecret         Secret `toml:"api_secret"`
}

// Provider is [auth.external.<provider>].
type Provider struct {
	Enabled        bool   `toml:"enabled"`
	ClientID       string `toml:"client_id"`
	Secret         Secret `toml:"secret"`
	URL            string `toml:"url"`
	RedirectURI    string `toml:"redirect_uri"`
	SkipNonceCheck bool   `toml:"skip_nonce_check"`
	EmailOptional  bool   `toml:"email_optional"`
}

// Hook is [auth.hook.<name>].
type Hook struct {
	Enabled bool   `toml:"enabled"`
	URI     string `toml:"uri"`
	Secrets Secret `toml:"secrets"`
}

// MFA is [auth.mfa].
type MFA struct {
	MaxEnrolledFactors int       `toml:"max_enrolled_factors"`
	TOTP               MFAFactor `toml:"totp"`
	Phone              MFAFactor `toml:"phone"`
	WebAuthn           MFAFactor `toml:"web_authn"`
}

// MFAFactor is [auth.mfa.<kind>]; the last three keys are those of phone.
type MFAFactor struct {
	EnrollEnabled bool          `toml:"enroll_enabled"`
	VerifyEnabled bool          `toml:"verify_enabled"`
	OTPLength     int           `toml:"otp_length"`
	Template      string        `toml:"template"`
	MaxFrequency  time.Duration `toml:"max_frequency"`
}

// Sessions is [auth.sessions]; zero = no limit.
type Sessions struct {
	Timebox           time.Duration `toml:"timebox"`
	InactivityTimeout time.Duration `toml:"inactivity_timeout"`
}

// RateLimit is [auth.rate_limit].
type RateLimit struct {
	EmailSent          int `toml:"email_sent"` // an hour
	SMSSent            int `toml:"sms_sent"`   // an hour
	AnonymousUsers     int `toml:"anonymous_users"`
	TokenRefresh       int `toml:"token_refresh"`
	SignInSignUps      int `toml:"sign_in_sign_ups"`
	TokenVerifications int `toml:"token_verifications"`
	Web3               int `toml:"web3"`
}

// Captcha is [auth.captcha].
type Captcha struct {
	Enabled  bool   `toml:"enabled"`
	Provider string `toml:"provider"`
	Secret   Secret `toml:"secret"`
}

// WebAuthn is [auth.webauthn].
type WebAuthn struct {
	RPDisplayName string   `toml:"rp_display_name"`
	RPID          string   `toml:"rp_id"`
	RPOrigins     []string `toml:"rp_origins"`
}

// ThirdParty is [auth.third_party.<issuer>], with the keys of all of them.
type ThirdParty struct {
	Enabled        bool   `toml:"enabled"`
	ProjectID      string `toml:"project_id"`       // firebase
	Tenant         string `toml:"tenant"`           // auth0
	TenantRegion   string `toml:"tenant_region"`    // auth0
	UserPoolID     string `toml:"user_pool_id"`     // aws_cognito
	UserPoolRegion string `toml:"user_pool_region"` // aws_cognito
	Domain         string `toml:"domain"`           // clerk
	IssuerURL      string `toml:"issuer_url"`       // workos
}

// OAuthServer is [auth.oauth_server].
type OAuthServer struct {
	Enabled                  bool   `toml:"enabled"`
	AuthorizationURLPath     string `toml:"authorization_url_path"`
	AllowDynamicRegistration bool   `toml:"allow_dynamic_registration"`
}

func defaultAuth() Auth {
	return Auth{
		Enabled:                    true,
		SiteURL:                    "http://127.0.0.1:3000",
		AdditionalRedirectURLs:     []string{"https://127.0.0.1:3000"},
		JWTExpiry:                  3600,
		EnableRefreshTokenRotation: true,
		RefreshTokenReuseInterval:  10,
		EnableSignup:               true,
		MinimumPasswordLength:      6,
		Email: Email{
			EnableSignup:         true,
			DoubleConfirmChanges: true,
			MaxFrequency:         time.Second,
			OTPLength:            6,
			OTPExpiry:            3600,
		},
		SMS: SMS{Template: "Your code is {{ .Code }}", MaxFrequency: 5 * time.Second},
		MFA: MFA{
			MaxEnrolledFactors: 10,
			Phone:              MFAFactor{OTPLength: 6, Template: "Your code is {{ .Code }}", MaxFrequency: 5 * time.Second},
		},
		RateLimit: RateLimit{
			EmailSent: 2, SMSSent: 30, AnonymousUsers: 30, TokenRefresh: 150,
			SignInSignUps: 30, TokenVerifications: 30, Web3: 30,
		},
		OAuthServer: OAuthServer{AuthorizationURLPath: "/oauth/consent"},
	}
}
