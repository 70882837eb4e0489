package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/auth/password"
	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/mail"
	"github.com/suparust/suparust/server/internal/session"
)

// fixture is the API behind the gateway on a database of its own, with a clock
// that the test moves.
type fixture struct {
	url     string
	keys    gateway.Keys
	signer  *gateway.Signer
	box     *mail.Box
	clock   *clock
	connect func(user string) *pgx.ConnConfig

	mu   sync.Mutex
	conn *pgx.Conn
}

// clock runs with the real one, moved by what the test has added.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// testLog hands log records to the test that caused them.
type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func start(t testing.TB, change func(*auth.Config)) *fixture {
	t.Helper()
	connect := database(t)
	keys, err := gateway.Keys{JWTSecret: gateway.DemoJWTSecret}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	set := gateway.KeySet{gateway.SecretKey(keys.JWTSecret)}
	signer, err := gateway.NewSigner(set)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{keys: keys, signer: signer, box: mail.NewBox(0), clock: &clock{}, connect: connect}
	db := session.New(session.Config{ConnConfig: connect("supabase_auth_admin")})
	log := slog.New(slog.NewTextHandler(testLog{t}, nil))
	switch t.(type) {
	case *testing.B, *testing.F: // the one is measured, the other may not log from its targets
		log = slog.New(slog.DiscardHandler)
	}
	cfg := auth.Config{
		DB: db, Signer: signer, Keys: set, Mail: f.box, Now: f.clock.now, Logger: log, AnonymousSignIns: true,
		Password: auth.PasswordConfig{Cost: password.CheapCost()},
		Email:    auth.EmailConfig{MaxFrequency: -1},
	}
	if change != nil {
		change(&cfg)
	}
	h, err := auth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	gw := gateway.New(gateway.Config{Keys: keys, Verifier: gateway.NewVerifier(set), Logger: log})
	srv := httptest.NewServer(gw.Wrap(h))
	f.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		db.Close()
		if f.conn != nil {
			f.conn.Close(context.Background())
		}
	})
	return f
}

// db is a connection as the superuser.
func (f *fixture) db(t testing.TB) *pgx.Conn {
	t.Helper()
	if f.conn == nil {
		c, err := pgx.ConnectConfig(t.Context(), f.connect("supabase_admin"))
		if err != nil {
			t.Fatal(err)
		}
		f.conn = c
	}
	return f.conn
}

func (f *fixture) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.db(t).Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
}

// value is the text of the one value that a query returns, "" for NULL and for
// no row.
func (f *fixture) value(t testing.TB, sql string, args ...any) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var s *string
	err := f.db(t).QueryRow(t.Context(), "select ("+sql+")::text", args...).Scan(&s)
	if err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
	if s == nil {
		return ""
	}
	return *s
}

// request is a call of the API; the zero value is a GET by the anon key with
// the newer error shape.
type request struct {
	method string
	path   string
	token  string // bearer; "" is the anon key, "none" none at all
	body   any    // a string is sent as it is
	header map[string]string
	old    bool // the older error shape
}

// response is an answer.
type response struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (f *fixture) do(t testing.TB, q request) *response {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
	}
	var body io.Reader
	switch b := q.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(t.Context(), q.method, f.url+q.path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if !q.old {
		r.Header.Set("X-Supabase-Api-Version", "2024-01-01")
	}
	switch q.token {
	case "none":
	case "":
		r.Header.Set("Apikey", f.keys.AnonKey)
		r.Header.Set("Authorization", "Bearer "+f.keys.AnonKey)
	default:
		r.Header.Set("Apikey", f.keys.AnonKey)
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	for k, v := range q.header {
		if v == "" {
			r.Header.Del(k)
			continue
		}
		r.Header.Set(k, v)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := &response{status: res.StatusCode, header: res.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &out.body)
	return out
}

func (f *fixture) post(t testing.TB, path string, body any) *response {
	t.Helper()
	return f.do(t, request{method: http.MethodPost, path: path, body: body})
}

func (f *fixture) admin(t testing.TB, method, path string, body any) *response {
	t.Helper()
	return f.do(t, request{method: method, path: path, body: body, token: f.keys.ServiceRoleKey})
}

// at is a value inside the answer, by keys and indexes parted by dots.
func (r *response) at(path string) any {
	var v any = r.body
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func (r *response) text(path string) string {
	switch v := r.at(path).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// ok fails the test unless the answer has the status.
func (r *response) ok(t testing.TB, status int) *response {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.raw)
	}
	return r
}

// refused checks an error in the newer shape.
func (r *response) refused(t testing.TB, status int, code, message string) {
	t.Helper()
	if r.status != status || r.text("code") != code || r.text("message") != message {
		t.Errorf("got %d %s\nwant %d %s %q", r.status, r.raw, status, code, message)
	}
	if got := r.header.Get("X-Supabase-Api-Version"); got != "2024-01-01" {
		t.Errorf("the version header is %q on an error", got)
	}
	if got := r.header.Get("X-Sb-Error-Code"); got != code && code != "weak_password" {
		t.Errorf("x-sb-error-code is %q, want %q", got, code)
	}
	if got := r.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
}

// user is someone who has signed up.
type user struct {
	id, email, password, token, refresh string
}

const goodPassword = "correct horse"

func (f *fixture) signUp(t testing.TB, email string) user {
	t.Helper()
	r := f.post(t, "/signup", map[string]any{"email": email, "password": goodPassword}).ok(t, 200)
	return user{r.text("user.id"), email, goodPassword, r.text("access_token"), r.text("refresh_token")}
}

func (f *fixture) signIn(t testing.TB, u user) user {
	t.Helper()
	r := f.post(t, "/token?grant_type=password", map[string]any{"email": u.email, "password": u.password}).ok(t, 200)
	u.token, u.refresh = r.text("access_token"), r.text("refresh_token")
	return u
}

func (f *fixture) as(t testing.TB, u user, method, path string, body any) *response {
	t.Helper()
	return f.do(t, request{method: method, path: path, body: body, token: u.token})
}

func claims(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (f *fixture) sign(t testing.TB, c map[string]any) string {
	t.Helper()
	s, err := f.signer.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
