package container

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// Ports and the working directory inside the server's container.
const (
	apiPort          = "3000/tcp"
	controlPort      = "3001/tcp"
	embeddedPort     = "13000/tcp"
	workingDirectory = "/project"
)

// startServerImage runs the server itself in a container.
func startServerImage(tb testing.TB, o *options) *Server {
	tb.Helper()
	keys, err := server.Keys{JWTSecret: server.DemoJWTSecret}.Complete()
	if err != nil {
		tb.Fatalf("container: %v", err)
	}
	env := serverEnv(keys, rand.Text())
	maps.Copy(env, o.env)
	files, err := projectFiles(o.project)
	if err != nil {
		tb.Fatalf("container: read the project: %v", err)
	}
	opts := []testcontainers.ContainerCustomizer{
		testcontainers.WithEnv(env),
		testcontainers.WithExposedPorts(apiPort, controlPort, embeddedPort),
		testcontainers.WithConfigModifier(func(c *container.Config) { c.WorkingDir = workingDirectory }),
		testcontainers.WithFiles(files...),
		testcontainers.WithWaitStrategyAndDeadline(o.timeout, wait.ForHTTP("/auth/v1/health").WithPort(apiPort)),
	}
	if env[publicURL] == "" {
		opts = append(opts, toldItsAddress()...)
	}
	c := run(tb, o.serverImage, opts...)
	at := endpoints{api: "http://" + address(tb, c, apiPort), control: "http://" + address(tb, c, controlPort), database: address(tb, c, embeddedPort)}
	return &Server{Server: attach(tb, at, env, o.server), Container: c}
}

// publicURL is the setting by which the server knows how it is reached: the links
// of its mails and what it redirects to begin with it.
const publicURL = "SUPARUST_PUBLIC_URL"

// publicURLFile is where the container finds it. Which port of the host is the
// server's is decided when the container starts, and no sooner.
const publicURLFile = "/tmp/suparust-public-url"

// startWhenTold starts the server when the file that it is given first has a
// whole line.
const startWhenTold = `until read -r ` + publicURL + ` 2>/dev/null <"$0"; do sleep 0.1; done; export ` + publicURL + `; exec suparust start "$@"`

// toldItsAddress has the server's container wait for the address that it is
// reached at from here.
func toldItsAddress() []testcontainers.ContainerCustomizer {
	return []testcontainers.ContainerCustomizer{
		testcontainers.WithEntrypoint("sh"),
		testcontainers.WithCmd("-c", startWhenTold, publicURLFile),
		testcontainers.WithAdditionalLifecycleHooks(testcontainers.ContainerLifecycleHooks{
			PostStarts: []testcontainers.ContainerHook{func(ctx context.Context, c testcontainers.Container) error { // before it is waited for
				at, err := c.PortEndpoint(ctx, apiPort, "http")
				if err != nil {
					return fmt.Errorf("find the port of the server: %w", err)
				}
				return c.CopyToContainer(ctx, []byte(at+"\n"), publicURLFile, 0o644)
			}},
		}),
	}
}

// endpoints are where a server in a container is reached: URLs, and of the
// database host:port.
type endpoints struct{ api, control, database string }

// attach makes the handle of a server that was started with env.
func attach(tb testing.TB, at endpoints, env map[string]string, opts []suparusttest.Option) *suparusttest.Server {
	tb.Helper()
	keys := server.Keys{
		JWTSecret: env["SUPARUST_JWT_SECRET"], AnonKey: env["SUPARUST_ANON_KEY"], ServiceRoleKey: env["SUPARUST_SERVICE_ROLE_KEY"],
		PublishableKey: env["SUPARUST_PUBLISHABLE_KEY"], SecretKey: env["SUPARUST_SECRET_KEY"],
	}
	opts = append(slices.Clip(opts), suparusttest.WithControl(at.control+"/_suparust/v1", env[server.ControlTokenVariable]))
	return suparusttest.Attach(tb, at.api, databaseURL(at.database, "postgres"), keys, opts...)
}

// serverEnv is the environment of the server's container: the keys that the
// handle knows, ports that can be reached from outside, the control API with a
// token of the test's own, data that end with the server, nothing in the
// folder of the project, and no fixture. Its mailbox is the control API's alone.
func serverEnv(k server.Keys, token string) map[string]string {
	return map[string]string{
		"SUPARUST_JWT_SECRET":         k.JWTSecret,
		"SUPARUST_ANON_KEY":           k.AnonKey,
		"SUPARUST_SERVICE_ROLE_KEY":   k.ServiceRoleKey,
		"SUPARUST_PUBLISHABLE_KEY":    k.PublishableKey,
		"SUPARUST_SECRET_KEY":         k.SecretKey,
		"SUPARUST_BIND_ADDR":          "0.0.0.0",
		"SUPARUST_PORT":               portNumber(apiPort),
		"SUPARUST_CONTROL":            "true",
		"SUPARUST_CONTROL_ADDR":       "0.0.0.0:" + portNumber(controlPort),
		server.ControlTokenVariable:   token,
		"SUPARUST_DB_LISTEN_ADDR":     "0.0.0.0",
		"SUPARUST_DB_PORT":            portNumber(embeddedPort),
		"SUPARUST_DB_PASSWORD":        password,
		"SUPARUST_EPHEMERAL":          "true",
		"SUPARUST_SNAPSHOT_DIR":       "/tmp/suparust-snapshots",
		"SUPARUST_PID_FILE":           "/tmp/suparust.pid",
		"SUPARUST_MAIL_ENABLED":       "false",
		"SUPARUST_QUICKSTART":         "false",
		"SUPARUST_ANONYMOUS_SIGN_INS": "true",
	}
}

// portNumber is the number of a port such as 3000/tcp.
func portNumber(port string) string {
	number, _, _ := strings.Cut(port, "/")
	return number
}

// projectFiles are the files of dir's supabase/ folder, to be copied into the
// working directory. Hidden folders, which hold local state, are left out.
func projectFiles(dir string) ([]testcontainers.ContainerFile, error) {
	if dir == "" {
		return nil, nil
	}
	root := filepath.Join(dir, "supabase")
	if _, err := os.Stat(root); err != nil {
		return nil, fmt.Errorf("WithProject(%q): %w: name the folder that contains supabase/", dir, err)
	}
	var files []testcontainers.ContainerFile
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		files = append(files, testcontainers.ContainerFile{
			HostFilePath: name, ContainerFilePath: path.Join(workingDirectory, filepath.ToSlash(rel)), FileMode: 0o644,
		})
		return nil
	})
	return files, err
}
