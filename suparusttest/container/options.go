package container

import (
	"maps"
	"time"

	"github.com/suparust/suparust/suparusttest"
)

// DefaultImage is the PostgreSQL that Start runs: major version 17 with the
// extensions of the platform.
const DefaultImage = "supabase/postgres:17.6.1.132"

// defaultTimeout is how long a container may take to answer once its image is
// there.
const defaultTimeout = 3 * time.Minute

// Option changes what Start starts.
type Option func(*options)

type options struct {
	image       string
	serverImage string
	project     string
	env         map[string]string
	timeout     time.Duration
	server      []suparusttest.Option
}

func newOptions() *options {
	return &options{image: DefaultImage, env: map[string]string{}, timeout: defaultTimeout}
}

// WithImage runs another PostgreSQL than DefaultImage. It must take the
// settings of the official image: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB.
func WithImage(image string) Option { return func(o *options) { o.image = image } }

// WithServerImage runs an image of suparust itself, with PostgreSQL inside, in the
// place of a server in the test's process: that of ci/Dockerfile, for one. It gets
// the control API on a port of its own, with a token that only the test knows.
// Mails and redirects name the address that the server has from here, for which a
// shell of the image starts the program suparust of its PATH; with
// SUPARUST_PUBLIC_URL among WithEnv's variables the image starts as it does by
// itself. Of WithServer's options it takes those that load something:
// suparusttest.WithSQL and suparusttest.WithFixtures.
func WithServerImage(image string) Option { return func(o *options) { o.serverImage = image } }

// WithProject uses the project whose supabase/ folder stands in dir. Without
// it a server in the test's process searches one, as suparusttest does, and a
// server in a container has none.
func WithProject(dir string) Option { return func(o *options) { o.project = dir } }

// WithEnv sets variables of the container's environment. Those that name
// PostgreSQL's user, password and database cannot be changed.
func WithEnv(env map[string]string) Option {
	return func(o *options) { maps.Copy(o.env, env) }
}

// WithTimeout changes how long the container may take to become ready, three
// minutes without it. The time to fetch an image does not count.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// WithServer passes options on to suparusttest.
func WithServer(opts ...suparusttest.Option) Option {
	return func(o *options) { o.server = append(o.server, opts...) }
}
