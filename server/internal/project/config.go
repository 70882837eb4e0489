package project

import "time"

// Config is supabase/config.toml: every key that CLI 1.x to 3.x wrote, with the defaults of the newest. A tag with two
// names accepts both; the first is today's.
type Config struct {
	ProjectID    string              `toml:"project_id"` // the folder's name when the file says nothing
	API          API                 `toml:"api"`
	DB           DB                  `toml:"db"`
	Realtime     Realtime            `toml:"realtime"`
	Studio       Studio              `toml:"studio"`
	LocalSMTP    LocalSMTP           `toml:"local_smtp,inbucket"`
	Storage      Storage             `toml:"storage"`
	Auth         Auth                `toml:"auth"`
	EdgeRuntime  EdgeRuntime         `toml:"edge_runtime"`
	Functions    map[string]Function `toml:"functions"` // by slug
	Analytics    Analytics           `toml:"analytics"`
	Experimental map[string]any      `toml:"experimental"` // accepted, not used
	Remotes      map[string]any      `toml:"remotes"`      // overrides for linked projects; accepted, not used locally
}

// API is [api].
type API struct {
	Enabled             bool     `toml:"enabled"`
	Port                uint16   `toml:"port"`
	Schemas             []string `toml:"schemas"` // the first is the default schema
	ExtraSearchPath     []string `toml:"extra_search_path"`
	MaxRows             int      `toml:"max_rows"`
	AutoExposeNewTables *bool    `toml:"auto_expose_new_tables"` // nil = true
	ExternalURL         string   `toml:"external_url"`
	TLS                 TLS      `toml:"tls"`
}

// TLS is [api.tls].
type TLS struct {
	Enabled  bool   `toml:"enabled"`
	CertPath string `toml:"cert_path"` // relative to supabase/
	KeyPath  string `toml:"key_path"`
}

// DB is [db].
type DB struct {
	Port                uint16              `toml:"port"`
	ShadowPort          uint16              `toml:"shadow_port"`
	HealthTimeout       time.Duration       `toml:"health_timeout"`
	MajorVersion        int                 `toml:"major_version"`
	RootKey             Secret              `toml:"root_key"`
	Migrations          Migrations          `toml:"migrations"`
	Seed                Seed                `toml:"seed"`
	Vault               map[string]Secret   `toml:"vault"`
	Settings            map[string]string   `toml:"settings"` // server settings by their PostgreSQL name
	Pooler              Pooler              `toml:"pooler"`
	NetworkRestrictions NetworkRestrictions `toml:"network_restrictions"`
	SSLEnforcement      Toggle              `toml:"ssl_enforcement"`
}

// Migrations is [db.migrations].
type Migrations struct {
	Enabled     bool     `toml:"enabled"`
	SchemaPaths []string `toml:"schema_paths"` // declarative schemas: not applied by start and reset
}

// Seed is [db.seed].
type Seed struct {
	Enabled  bool     `toml:"enabled"`
	SQLPaths []string `toml:"sql_paths"` // globs relative to supabase/
}

// Pooler is [db.pooler]. PostgreSQL is reached directly here; the section is accepted only.
type Pooler struct {
	Enabled         bool   `toml:"enabled"`
	Port            uint16 `toml:"port"`
	PoolMode        string `toml:"pool_mode"`
	DefaultPoolSize int    `toml:"default_pool_size"`
	MaxClientConn   int    `toml:"max_client_conn"`
}

// NetworkRestrictions is [db.network_restrictions], a setting of hosted projects.
type NetworkRestrictions struct {
	Enabled        bool     `toml:"enabled"`
	AllowedCIDRs   []string `toml:"allowed_cidrs"`
	AllowedCIDRsV6 []string `toml:"allowed_cidrs_v6"`
}

// Toggle is a section with nothing but enabled.
type Toggle struct {
	Enabled bool `toml:"enabled"`
}

// Realtime is [realtime].
type Realtime struct {
	Enabled         bool   `toml:"enabled"`
	IPVersion       string `toml:"ip_version"`
	MaxHeaderLength int    `toml:"max_header_length"`
}

// Studio is [studio].
type Studio struct {
	Enabled      bool   `toml:"enabled"`
	Port         uint16 `toml:"port"`
	APIURL       string `toml:"api_url"`
	OpenAIAPIKey Secret `toml:"openai_api_key"`
}

// LocalSMTP is [local_smtp], named [inbucket] before CLI 3: the mailbox that keeps what would be sent.
type LocalSMTP struct {
	Enabled    bool   `toml:"enabled"`
	Port       uint16 `toml:"port"`
	SMTPPort   uint16 `toml:"smtp_port"`
	POP3Port   uint16 `toml:"pop3_port"`
	AdminEmail string `toml:"admin_email"`
	SenderName string `toml:"sender_name"`
}

// Storage is [storage].
type Storage struct {
	Enabled             bool              `toml:"enabled"`
	FileSizeLimit       Size              `toml:"file_size_limit"`
	Buckets             map[string]Bucket `toml:"buckets"` // by id
	S3Protocol          Toggle            `toml:"s3_protocol"`
	ImageTransformation Toggle            `toml:"image_transformation"`
	Analytics           map[string]any    `toml:"analytics"` // hosted only
	Vector              map[string]any    `toml:"vector"`    // hosted only
}

// Bucket is [storage.buckets.<id>].
type Bucket struct {
	Public           *bool    `toml:"public"`
	FileSizeLimit    Size     `toml:"file_size_limit"` // that of [storage] when unset
	AllowedMIMETypes []string `toml:"allowed_mime_types"`
	ObjectsPath      string   `toml:"objects_path"` // see [Project.Objects]
}

// EdgeRuntime is [edge_runtime].
type EdgeRuntime struct {
	Enabled       bool              `toml:"enabled"`
	Policy        string            `toml:"policy"`
	InspectorPort uint16            `toml:"inspector_port"`
	DenoVersion   int               `toml:"deno_version"`
	Secrets       map[string]Secret `toml:"secrets"`
}

// Function is [functions.<slug>].
type Function struct {
	Enabled     bool     `toml:"enabled"`
	VerifyJWT   bool     `toml:"verify_jwt"`
	ImportMap   string   `toml:"import_map"`
	Entrypoint  string   `toml:"entrypoint"`
	StaticFiles []string `toml:"static_files"`
}

func (f *Function) setDefaults() { f.Enabled, f.VerifyJWT = true, true }

// Analytics is [analytics]; accepted, not used.
type Analytics struct {
	Enabled          bool   `toml:"enabled"`
	Port             uint16 `toml:"port"`
	VectorPort       uint16 `toml:"vector_port"`
	Backend          string `toml:"backend"`
	GCPProjectID     string `toml:"gcp_project_id"`
	GCPProjectNumber string `toml:"gcp_project_number"`
	GCPJWTPath       string `toml:"gcp_jwt_path"`
}

// DefaultConfig is what an absent or empty config.toml means.
func DefaultConfig() *Config {
	return &Config{
		API: API{
			Enabled:         true,
			Port:            54321,
			Schemas:         []string{"public", "graphql_public"},
			ExtraSearchPath: []string{"public", "extensions"},
			MaxRows:         1000,
		},
		DB: DB{
			Port:          54322,
			ShadowPort:    54320,
			HealthTimeout: 2 * time.Minute,
			MajorVersion:  17,
			Migrations:    Migrations{Enabled: true},
			Seed:          Seed{Enabled: true, SQLPaths: []string{"./seed.sql"}},
			Pooler:        Pooler{Port: 54329, PoolMode: "transaction", DefaultPoolSize: 20, MaxClientConn: 100},
			NetworkRestrictions: NetworkRestrictions{
				AllowedCIDRs:   []string{"0.0.0.0/0"},
				AllowedCIDRsV6: []string{"::/0"},
			},
		},
		Realtime:    Realtime{Enabled: true, IPVersion: "IPv4", MaxHeaderLength: 4096},
		Studio:      Studio{Enabled: true, Port: 54323, APIURL: "http://127.0.0.1"},
		LocalSMTP:   LocalSMTP{Enabled: true, Port: 54324, AdminEmail: "admin@email.com", SenderName: "Admin"},
		Storage:     Storage{Enabled: true, FileSizeLimit: 50 << 20, S3Protocol: Toggle{Enabled: true}},
		Auth:        defaultAuth(),
		EdgeRuntime: EdgeRuntime{Enabled: true, Policy: "per_worker", InspectorPort: 8083, DenoVersion: 2},
		Analytics:   Analytics{Enabled: true, Port: 54327, Backend: "postgres"},
	}
}
