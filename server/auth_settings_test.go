package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// authServer is a server with one setting, seen from outside.
type authServer struct {
	*suparusttest.Server
	t *testing.T
}

// setting is one setting of Auth in the two forms that it is given in; shows
// proves that it is in force.
type setting struct {
	env   string // NAME=value, one on each line
	toml  string // of [auth]; "" where config.toml has no such key
	shows func(s authServer)
}

// run shows the setting in each of its forms.
func (c setting) run(t *testing.T) {
	name, _, _ := strings.Cut(c.env, "=")
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		c.shows(authServer{suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(func(cfg *server.Config) { configure(t, cfg, c.env) })), t})
	})
	if c.toml == "" {
		return
	}
	t.Run("config.toml/"+name, func(t *testing.T) {
		t.Parallel()
		c.shows(authServer{suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(func(cfg *server.Config) {
			loadAuth(t, cfg, c.toml)
		})), t})
	})
}

// configure gives cfg the variables of a GoTrue.
func configure(t *testing.T, cfg *server.Config, variables string) {
	t.Helper()
	env := map[string]string{}
	var names []string
	for line := range strings.Lines(variables) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[name] = value
		names = append(names, name)
	}
	if err := cfg.FromEnv(func(n string) (string, bool) { v, ok := env[n]; return v, ok }, nil, names...); err != nil {
		t.Fatal(err)
	}
}

// loadAuth gives cfg what a project's config.toml says of Auth.
func loadAuth(t *testing.T, cfg *server.Config, toml string) {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "supabase"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "supabase", "config.toml"), []byte("[auth]\n"+toml+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	project := server.DefaultConfig()
	if _, err := project.LoadProject(root, os.LookupEnv); err != nil {
		t.Fatal(err)
	}
	cfg.Auth, cfg.Keys = project.Auth, project.Keys
	cfg.Auth.CheapPasswords = true
}

const (
	settingsEmail    = "ann@example.com"
	settingsPassword = "correct horse"
)

// ask sends a request; token "" is the anon key's.
func (s authServer) ask(method, path, token string, body any) *suparusttest.Response {
	s.t.Helper()
	c := s.Client()
	c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h := http.Header{}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	return c.Do(s.t, method, "/auth/v1"+path, body, h)
}

func (s authServer) post(path string, body any) *suparusttest.Response {
	s.t.Helper()
	return s.ask("POST", path, "", body)
}

// want checks an answer: a status, and the code of an error.
func (s authServer) want(r *suparusttest.Response, status int, code string) object {
	s.t.Helper()
	if r.Status != status || r.Header.Get("X-Sb-Error-Code") != code {
		s.t.Fatalf("answer %d %s, want %d %q", r.Status, r.Body, status, code)
	}
	o := object{}
	_ = json.Unmarshal(r.Body, &o)
	return o
}

// object is the JSON of an answer.
type object map[string]any

// at is the text of a value inside, by keys that dots part.
func (o object) at(path string) string {
	var v any = map[string]any(o)
	for key := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// signUp signs Ann up, and in.
func (s authServer) signUp() object {
	s.t.Helper()
	return s.want(s.post("/signup", map[string]any{"email": settingsEmail, "password": settingsPassword}), 200, "")
}

func (s authServer) signIn() object {
	s.t.Helper()
	return s.want(s.post("/token?grant_type=password", map[string]any{"email": settingsEmail, "password": settingsPassword}), 200, "")
}

func (s authServer) refresh(token string) *suparusttest.Response {
	s.t.Helper()
	return s.post("/token?grant_type=refresh_token", map[string]any{"refresh_token": token})
}

// link asks for a recovery link of Ann, who is there.
func (s authServer) link() object {
	s.t.Helper()
	return s.want(s.ask("POST", "/admin/generate_link", s.ServiceKey, map[string]any{"type": "recovery", "email": settingsEmail}), 200, "")
}

// tokenClaims are the claims of a token.
func (s authServer) tokenClaims(token string) object {
	s.t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		s.t.Fatalf("%q is no token", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		s.t.Fatal(err)
	}
	o := object{}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		s.t.Fatal(err)
	}
	return o
}

// equal compares what is with what shall be.
func (s authServer) equal(got, want any) {
	s.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("it is %v, want %v", got, want)
	}
}

// back is where a link that is wrong leads.
func (s authServer) back(query string) string {
	s.t.Helper()
	r := s.ask("GET", "/verify?token=x&type=signup"+query, "", nil)
	target, _, _ := strings.Cut(r.Header.Get("Location"), "#")
	return target
}

// enroll asks for an authenticator app.
func (s authServer) enroll(token, name string) *suparusttest.Response {
	s.t.Helper()
	return s.ask("POST", "/factors", token, map[string]any{"factor_type": "totp", "friendly_name": name})
}

// tokenHead is the header of a token.
func tokenHead(s authServer, token string) object {
	s.t.Helper()
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		s.t.Fatal(err)
	}
	o := object{}
	if err := json.Unmarshal(raw, &o); err != nil {
		s.t.Fatal(err)
	}
	return o
}

// number is a number of claims.
func number(s authServer, v any) int64 {
	s.t.Helper()
	n, _ := v.(json.Number)
	i, err := n.Int64()
	if err != nil {
		s.t.Fatalf("%v is no number", v)
	}
	return i
}
