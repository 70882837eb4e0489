package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/project"
	"github.com/suparust/suparust/server/internal/rest"
	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/pg"
)

// Keys are the JWT secret and the API keys of a server. Those that are empty
// derive from the secret.
type Keys = gateway.Keys

// The keys of the platform's local stack, used beside a project's folder. They
// are public and protect nothing.
const (
	DemoJWTSecret      = gateway.DemoJWTSecret
	DemoPublishableKey = gateway.DemoPublishableKey
	DemoSecretKey      = gateway.DemoSecretKey
)

// Config of a Server. Start from DefaultConfig, add the project with
// LoadProject and the environment with FromEnv, in this order: what comes
// later wins.
type Config struct {
	// BindAddr and Port are where the API listens. Port 0 takes a free one.
	BindAddr string
	Port     int
	// PublicURL is the address clients use, for links; "" means the address
	// the server listens on.
	PublicURL string
	// AdminAddr and AdminPort are where /live, /ready, /schema_cache and
	// /metrics are answered; port 0 answers them nowhere.
	AdminAddr string
	AdminPort int
	// Keys; JWTSecret is required.
	Keys Keys
	// RequireAPIKey refuses requests of REST and Auth that name none of the API
	// keys, as the hosted platform does.
	RequireAPIKey bool
	// RememberedTokens bounds the tokens whose signature is not verified again;
	// 0 remembers none.
	RememberedTokens int

	Database DatabaseConfig
	REST     RESTConfig
	Limits   Limits
	Auth     AuthConfig
	Storage  StorageConfig
	Mail     MailConfig

	// Control answers, below /_suparust/v1, what only tests ask for: the clock,
	// the mails, faults on purpose, a session without a password. Who has
	// ControlToken can be anyone with it, so the server must listen on loopback.
	Control bool
	// ControlAddr gives the control API an IP address and a port of its own, such
	// as 127.0.0.1:3001, in the place of the APIs'. Beyond loopback it needs a
	// ControlToken.
	ControlAddr string
	// ControlToken is what requests to the control API bring as Authorization:
	// Bearer; "" makes one.
	ControlToken string

	// Quickstart gives a fresh database without a project the fixture of that
	// name: the view public.users and open storage policies.
	Quickstart bool
	// Migrations are applied to a fresh database in the place of a project's
	// folder: files NNN_name.sql, and an optional seed.sql.
	Migrations fs.FS

	// Snapshot is the name of a snapshot that the server starts from: in a data
	// directory that is kept it takes the place of what is there. SnapshotDir
	// keeps the snapshots with a name; "" is beside the data directory. From is a
	// snapshot in the place of a named one.
	Snapshot    string
	SnapshotDir string
	From        *Snapshot

	// Cluster, when set, is a running PostgreSQL that the server takes over:
	// Shutdown stops it.
	Cluster *pg.Cluster

	// Mailbox receives every message; nil means a box of the server's own.
	Mailbox *Mailbox
	// Logger is used for everything; nil discards.
	Logger *slog.Logger
	// Progress shows downloads to a person; nil shows none.
	Progress io.Writer
	// Now is the clock of tokens and codes; nil is time.Now.
	Now func() time.Time
	// PauseCron has no job of pg_cron run because time passes: only when the
	// clock is advanced, and when RunCron asks for it.
	PauseCron bool
	// SQLClock has the database's now(), transaction_timestamp(),
	// statement_timestamp(), clock_timestamp() and age() go by the server's
	// Clock. CURRENT_TIMESTAMP and its kin, 'now' as a literal, and what PostgreSQL
	// itself does by the time stay with the real one. It replaces functions of
	// PostgreSQL, and is for databases that end with the server alone.
	SQLClock bool
	// HTTP is the way to everyone whom the server asks by HTTP: hooks, sign-in
	// providers, captcha, senders of texts. nil is the network.
	HTTP http.RoundTripper
	// Trace is told of every request that has ended, with the statements it
	// sent to the database; nil is not.
	Trace func(RequestRecord)

	cronChosen  bool // somebody has said whether PauseCron is to be
	keepNothing bool // the database and the files end with the server

	project     *project.Project
	branchRoom  chan struct{} // of a branch: see branches.room
	projectData string        // the data directory that Ephemeral has turned away from
}

// DatabaseConfig says which PostgreSQL the server works on.
type DatabaseConfig struct {
	// URL is an external PostgreSQL, of a superuser unless Bootstrap is off;
	// "" runs an own one.
	URL      string
	external externalParts // what URL is made of where the environment gives parts
	// Bootstrap creates the platform's roles and schemas in an external
	// database.
	Bootstrap bool
	// Seed gives an external database that Bootstrap has never seen the
	// project's roles, secrets and seeds too, as an own one always gets them.
	// Without it an external database gets the migrations alone.
	Seed bool
	// DataDir keeps the data; "" makes a database that ends with the server.
	DataDir string
	// Port of PostgreSQL on BindAddr's loopback; 0 takes a free one.
	Port int
	// ListenAddr is the address PostgreSQL listens on.
	ListenAddr string
	// Password of the login roles.
	Password string
	// Version is PostgreSQL's major version; 0 is pg.DefaultMajor.
	Version int
	// BinDir holds PostgreSQL's programs; "" finds or fetches them.
	BinDir string
	// CacheDir keeps programs and templates; "" is pg.DefaultCacheDir.
	CacheDir string
	// MaxConns bounds the connections of REST and Storage together, and those
	// of Auth.
	MaxConns int
	// AcquireTimeout bounds the wait for a free connection, 0 is 10 s. MaxIdle
	// is how long a connection may stand unused, MaxLifetime how old one may
	// become; 0 does not bound them.
	AcquireTimeout, MaxIdle, MaxLifetime time.Duration
	// Channel is where the database announces changes of the schema and of
	// settings, "" is pgrst; NoChannel listens to none.
	Channel   string
	NoChannel bool
	// NoSettings leaves the settings of REST that stand in the database unread;
	// PreConfig is a function, schema.name, that makes them first.
	NoSettings bool
	PreConfig  string
	// StrictPostgresRole takes SUPERUSER from the role postgres, as hosted.
	StrictPostgresRole bool
}

// RESTConfig is about /rest/v1. Settings of the database's login role win over
// it.
type RESTConfig = rest.Options

// Limits bound what one REST request, and all together, may take of memory.
type Limits = rest.Limits

// AuthConfig is about /auth/v1. The zero value of every setting is what the
// platform's local stack runs with.
type AuthConfig struct {
	SiteURL      string        // where links lead when no other target is allowed
	RedirectURLs []string      // further targets; * and ** as in the platform's allow list
	ExternalURL  string        // address of the API in links; "" means PublicURL + /auth/v1
	AtRoot       bool          // the API is answered at the root of the server, too
	Issuer       string        // iss of access tokens; "" means ExternalURL
	JWTExpiry    time.Duration // life of an access token
	Audience     string        // aud of users; "" means authenticated
	DefaultRole  string        // role of new users; "" means authenticated
	AdminRoles   []string      // whose tokens may call admin endpoints; default service_role, supabase_admin
	// KeyID is the kid of access tokens that are signed with the JWT secret.
	KeyID string
	// SigningKeys are JWKs as in the platform's signing keys file: the one that
	// may sign signs access tokens, and tokens and API keys signed with any of
	// them, or with the JWT secret, are accepted.
	SigningKeys []byte

	DisableSignup    bool
	AnonymousSignIns bool
	ManualLinking    bool

	Email    EmailConfig
	Phone    PhoneConfig
	Password PasswordConfig
	Sessions SessionConfig
	MFA      MFAConfig
	OAuth    OAuthConfig

	Hooks   map[string]HookConfig // by name, such as custom_access_token
	Captcha CaptchaConfig
	Limits  LimitsConfig
	Texts   TextsConfig

	// NoAuditTable keeps audit entries in the log alone.
	NoAuditTable bool

	// CheapPasswords hashes passwords at the least cost, for tests only.
	CheapPasswords bool
}

// The parts of AuthConfig.
type (
	EmailConfig    = auth.EmailConfig
	PhoneConfig    = auth.PhoneConfig
	PasswordConfig = auth.PasswordConfig
	SessionConfig  = auth.SessionConfig
	MFAConfig      = auth.MFAConfig
	MailTemplate   = auth.Template
)

// StorageConfig is about /storage/v1.
type StorageConfig struct {
	// Root keeps the files; "" is a directory that ends with the server.
	Root string
	// Scratch is where that directory is made when the database is external; ""
	// is the system's directory for temporary files.
	Scratch string
	// FileSizeLimit is the largest object in bytes, and StandardLimit the largest
	// that one request uploads; 0 is the same.
	FileSizeLimit, StandardLimit int64
	SignedUploadExpiry           time.Duration // 0 is 2 h
	ETagHeaders                  []string      // nil is If-None-Match
	SMaxAge                      int           // of Cache-Control, in seconds
	LimitDeletes                 bool          // to 1,000 objects in one request
	Images                       ImageConfig
	// UploadExpiry is how long a resumable upload is kept; 0 is a day.
	UploadExpiry time.Duration
	// Backend is where the files are: "" or file for Root, s3 for S3's bucket.
	// Root keeps then what of resumable uploads has come so far.
	Backend string
	S3      S3Config
	// S3Protocol is about /storage/v1/s3.
	S3Protocol S3ProtocolConfig
}

// ImageConfig is about pictures that are scaled.
type ImageConfig = storage.Images

const defaultJWTExpiry = time.Hour

// DefaultConfig is the configuration of a server without a project: port 3000
// on every address and data in ./data. The JWT secret is left to the caller.
func DefaultConfig() Config {
	return Config{
		BindAddr:         "0.0.0.0",
		Port:             3000,
		RememberedTokens: gateway.DefaultRememberedTokens,
		Database: DatabaseConfig{
			DataDir:    filepath.Join("data", "postgres"),
			ListenAddr: "127.0.0.1",
			Port:       -1, // derived from Port, see DatabasePort
			Password:   defaultPassword,
			Bootstrap:  true,
			MaxConns:   8,
		},
		REST: RESTConfig{
			Schemas:         []string{"public", "graphql_public"},
			ExtraSearchPath: []string{"public", "extensions"},
			MaxRows:         1000,
			AnonRole:        "anon",
			SafeUpdate:      true,
		},
		Auth: AuthConfig{
			SiteURL:   "http://127.0.0.1:3000",
			JWTExpiry: defaultJWTExpiry,
			Limits:    defaultLimits(),
		},
		Storage: StorageConfig{
			Root:          filepath.Join("data", "storage"),
			FileSizeLimit: 50 << 20,
			S3Protocol:    S3ProtocolConfig{Region: storage.DefaultS3Region},
		},
		Mail:       DefaultMail(),
		Quickstart: true,
	}
}

// derivedPortDistance is how far PostgreSQL's port is from the API's where
// nobody chose one.
const derivedPortDistance = 10000

// DatabasePort is where an own PostgreSQL listens; 0 is a free port.
func (c *Config) DatabasePort() int {
	if c.Database.Port >= 0 {
		return c.Database.Port
	}
	if c.Port == 0 || c.Port+derivedPortDistance > 65535 {
		return 0
	}
	return c.Port + derivedPortDistance
}

func (c *Config) validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("the port %d is outside of 0 to 65535: set SUPARUST_PORT to a free one", c.Port)
	}
	if c.Database.Port > 65535 {
		return fmt.Errorf("the database port %d is outside of 0 to 65535: set SUPARUST_DB_PORT to a free one", c.Database.Port)
	}
	if c.Database.Version != 0 && (c.Database.Version < pg.MinMajor || c.Database.Version > pg.MaxMajor) {
		return fmt.Errorf("PostgreSQL %d is not supported: set SUPARUST_PG_VERSION to %d to %d", c.Database.Version, pg.MinMajor, pg.MaxMajor)
	}
	if err := c.Mail.validate(); err != nil {
		return err
	}
	if c.NeedsSecret() {
		return errors.New("there is no JWT secret: set SUPARUST_JWT_SECRET to at least 32 characters")
	}
	if c.AdminPort < 0 || c.AdminPort > 65535 || c.AdminPort != 0 && c.AdminPort == c.Port {
		return fmt.Errorf("the admin port %d is that of the APIs or outside of 1 to 65535: set SUPARUST_ADMIN_PORT to another", c.AdminPort)
	}
	if err := c.Storage.validate(); err != nil {
		return err
	}
	if _, err := c.Auth.keySet(nil); err != nil {
		return err
	}
	if err := c.validateControl(); err != nil {
		return err
	}
	if err := c.validateOAuth(); err != nil {
		return err
	}
	if err := c.validateSQLClock(); err != nil {
		return err
	}
	return c.validateGuards()
}

// NeedsSecret tells that there is no JWT secret although there has to be one.
// In front of a database that is served as it is found there may be none: then
// every token is refused but those of the server's own Auth.
func (c *Config) NeedsSecret() bool { return c.Keys.JWTSecret == "" && !c.plain() }

// CompleteKeys are the keys with those that derive from the JWT secret.
func (c *Config) CompleteKeys() (Keys, error) {
	if c.Keys.JWTSecret == "" && c.plain() {
		return c.Keys, nil
	}
	return c.Keys.Complete()
}

// secretKeys are the keys that the JWT secret holds.
func (c *Config) secretKeys() (gateway.KeySet, error) {
	if c.Keys.JWTSecret == "" && c.plain() {
		return nil, nil
	}
	return c.Keys.Set()
}

// logger is that of a part of the server.
func (c *Config) logger(target string) *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger.With("target", target)
}

func (c *Config) addr() string { return net.JoinHostPort(c.BindAddr, strconv.Itoa(c.Port)) }
