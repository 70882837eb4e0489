package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const testSecret = "a-secret-for-tests-of-32-characters!"

func demo(t testing.TB) Keys {
	t.Helper()
	k, err := Keys{JWTSecret: DemoJWTSecret}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The keys of the platform's local stack are committed in apps' .env files:
// ours are theirs, byte for byte.
//
//covers:auth 1
func TestDemoKeys(t *testing.T) {
	k := demo(t)
	const head = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
	for _, c := range []struct{ name, got, want string }{
		{"anon", k.AnonKey, head + "eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6ImFub24iLCJleHAiOjE5ODM4MTI5OTZ9.CRXP1A7WOeoJeXxjNni43kdQwgnWNReilDMblYTn_I0"},
		{"service_role", k.ServiceRoleKey, head + "eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6InNlcnZpY2Vfcm9sZSIsImV4cCI6MTk4MzgxMjk5Nn0.EGIM96RAZx35lJzdJsyH-qQwv8Hdp7fsn3W0YpN81IU"},
		{"publishable", k.PublishableKey, "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH"},
		{"secret", k.SecretKey, "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %s", c.name, c.got)
		}
	}
}

func TestKeysOfAnotherSecret(t *testing.T) {
	k, err := Keys{JWTSecret: testSecret}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if k.PublishableKey == DemoPublishableKey || !strings.HasPrefix(k.PublishableKey, "sb_publishable_") || !strings.HasPrefix(k.SecretKey, "sb_secret_") {
		t.Errorf("opaque keys %s %s", k.PublishableKey, k.SecretKey)
	}
	if _, err := (Keys{JWTSecret: "short"}).Complete(); err == nil || !strings.Contains(err.Error(), "SUPARUST_JWT_SECRET") {
		t.Errorf("a short secret: %v", err)
	}
}

func sign(t testing.TB, method jwt.SigningMethod, key any, kid string, claims jwt.MapClaims) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, claims)
	if kid != "" {
		tok.Header["kid"] = kid
	}
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVerify(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(KeySet{SecretKey(testSecret), {ID: "k1", Algorithm: "ES256", Verify: &ec.PublicKey, Sign: ec}})
	claims := jwt.MapClaims{"role": "authenticated", "sub": "u"}
	hs := func(key string, kid string) string { return sign(t, jwt.SigningMethodHS256, []byte(key), kid, claims) }
	good := hs(testSecret, "")
	parts := strings.Split(good, ".")
	for _, c := range []struct {
		name, token string
		kind        TokenErrorKind
		ok          bool
	}{
		{name: "the secret", token: good, ok: true},
		{name: "the secret under an unknown kid", token: hs(testSecret, "elsewhere"), ok: true},
		{name: "the asymmetric key", token: sign(t, jwt.SigningMethodES256, ec, "k1", claims), ok: true},
		{name: "the asymmetric key, kid unknown", token: sign(t, jwt.SigningMethodES256, ec, "k2", claims), kind: NoKey},
		{name: "another asymmetric key", token: sign(t, jwt.SigningMethodES256, other, "k1", claims), kind: BadSignature},
		{name: "another secret", token: hs("another-secret-of-32-characters!!", ""), kind: BadSignature},
		{name: "an algorithm that no key is for", token: sign(t, jwt.SigningMethodHS512, []byte(testSecret), "", claims), kind: UnsupportedAlg},
		{name: "alg none", token: sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "", claims), kind: AlgNone},
		{name: "alg nOnE", token: encodeSegment([]byte(`{"alg":"nOnE"}`)) + "." + parts[1] + ".", kind: AlgNone},
		{name: "empty", token: "", kind: Empty},
		{name: "garbage", token: "garbage", kind: Malformed},
		{name: "four parts", token: good + ".x", kind: Malformed},
		{name: "no base64", token: "!." + parts[1] + "." + parts[2], kind: Malformed},
		{name: "header is no JSON", token: encodeSegment([]byte("x")) + "." + parts[1] + "." + parts[2], kind: Malformed},
		{name: "other claims under the same signature", token: parts[0] + "." + encodeSegment([]byte(`{"role":"service_role"}`)) + "." + parts[2], kind: BadSignature},
		{name: "too long", token: good + strings.Repeat("A", maxTokenBytes), kind: Malformed},
		{name: "claims are a list", token: listClaims(t), kind: BadClaims},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second time from the cache, where there is one
				got, err := v.Verify(c.token)
				var te *TokenError
				switch {
				case c.ok && err != nil:
					t.Fatal(err)
				case c.ok && (got.Role != "authenticated" || got.Subject != "u"):
					t.Fatalf("claims %+v", got)
				case !c.ok && (!errors.As(err, &te) || te.Kind != c.kind):
					t.Fatalf("error %v, want kind %d", err, c.kind)
				}
			}
		})
	}
}

func listClaims(t testing.TB) string {
	t.Helper()
	signing := encodeSegment([]byte(`{"alg":"HS256"}`)) + "." + encodeSegment([]byte(`[1]`))
	sig, err := jwt.SigningMethodHS256.Sign(signing, []byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	return signing + "." + encodeSegment(sig)
}

// A public key must never serve as an HMAC secret.
func TestVerifyKeepsFamiliesApart(t *testing.T) {
	public := []byte("-----BEGIN PUBLIC KEY-----")
	v := NewVerifier(KeySet{{ID: "k1", Algorithm: "RS256", Verify: public}})
	_, err := v.Verify(sign(t, jwt.SigningMethodHS256, public, "k1", jwt.MapClaims{}))
	var te *TokenError
	if !errors.As(err, &te) || te.Kind != UnsupportedAlg {
		t.Errorf("error %v", err)
	}
}

func TestCheckTime(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		name   string
		claims string
		leeway time.Duration
		kind   TokenErrorKind
		ok     bool
	}{
		{name: "none", claims: `{}`, ok: true},
		{name: "null", claims: `{"exp":null}`, ok: true},
		{name: "expires later", claims: `{"exp":1000001}`, ok: true},
		{name: "expires now", claims: `{"exp":1000000}`, kind: Expired},
		{name: "expired within the leeway", claims: `{"exp":999980}`, leeway: 30 * time.Second, ok: true},
		{name: "expired beyond the leeway", claims: `{"exp":999969}`, leeway: 30 * time.Second, kind: Expired},
		{name: "valid later", claims: `{"nbf":1000031}`, leeway: 30 * time.Second, kind: NotYetValid},
		{name: "issued later", claims: `{"iat":1000031}`, leeway: 30 * time.Second, kind: IssuedInFuture},
		{name: "text", claims: `{"exp":"tomorrow"}`, kind: NotANumber},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, err := parseClaims([]byte(c.claims))
			if err != nil {
				t.Fatal(err)
			}
			err = cl.CheckTime(now, c.leeway)
			var te *TokenError
			if c.ok != (err == nil) || !c.ok && (!errors.As(err, &te) || te.Kind != c.kind) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	v := NewVerifier(KeySet{SecretKey(testSecret)})
	f.Add("a.b.c")
	f.Add(encodeSegment([]byte(`{"alg":"none"}`)) + "." + encodeSegment([]byte(`{}`)) + ".")
	f.Add(listClaims(f))
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := v.Verify(token)
		var te *TokenError
		if (err == nil) == (claims == nil) || err != nil && !errors.As(err, &te) {
			t.Errorf("claims %v, error %v", claims, err)
		}
	})
}

func TestTokenCacheIsBounded(t *testing.T) {
	c := newTokenCache(10)
	for i := range 1000 {
		c.put(strings.Repeat("x", i), &Claims{})
		c.get("x") // in use, so it stays
	}
	if n := len(c.young) + len(c.old); n > 10 {
		t.Errorf("%d entries", n)
	}
	if c.get("x") == nil {
		t.Error("the entry in use was dropped")
	}
}

// serve sends a request through a gateway and returns what the handler saw.
func serve(t *testing.T, keys Keys, r *http.Request) (*httptest.ResponseRecorder, *Credentials, *http.Request) {
	t.Helper()
	g := New(Config{Keys: keys, Verifier: NewVerifier(KeySet{SecretKey(keys.JWTSecret)})})
	var creds *Credentials
	var seen *http.Request
	w := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		creds, seen = CredentialsFrom(r.Context()), r
		if RequestID(r.Context()) == "" {
			t.Error("no request id")
		}
	})).ServeHTTP(w, r)
	return w, creds, seen
}

//covers:auth 2 3
func TestCredentials(t *testing.T) {
	k := demo(t)
	user := sign(t, jwt.SigningMethodHS256, []byte(k.JWTSecret), "", jwt.MapClaims{"role": "authenticated", "sub": "u"})
	for _, c := range []struct {
		name           string
		auth, key      string
		query          string
		role           string // "" is none
		byKey, refused bool
		asToken        bool
	}{
		{name: "nothing"},
		{name: "a user's token", auth: "Bearer " + user, role: "authenticated"},
		{name: "scheme in lower case", auth: "bearer " + user, role: "authenticated"},
		{name: "a user's token beside a key", auth: "Bearer " + user, key: k.SecretKey, role: "authenticated"},
		{name: "publishable key", key: k.PublishableKey, role: "anon", byKey: true},
		{name: "secret key", key: k.SecretKey, role: "service_role", byKey: true},
		{name: "secret key as bearer and apikey", auth: "Bearer " + k.SecretKey, key: k.SecretKey, role: "service_role", byKey: true},
		{name: "publishable key as bearer alone", auth: "Bearer " + k.PublishableKey, role: "anon", byKey: true},
		{name: "unknown opaque bearer, known key", auth: "Bearer sb_secret_nonsense", key: k.PublishableKey, role: "anon", byKey: true},
		{name: "unknown opaque bearer alone", auth: "Bearer sb_secret_nonsense"},
		{name: "legacy key", key: k.ServiceRoleKey, role: "service_role", byKey: true, asToken: true},
		{name: "unknown opaque bearer, legacy key", auth: "Bearer sb_secret_nonsense", key: k.AnonKey, role: "anon", byKey: true, asToken: true},
		{name: "unknown key", key: "nonsense"},
		{name: "key of another project", key: user + "x", byKey: true, refused: true, asToken: true},
		{name: "key in the query", query: "apikey=" + k.SecretKey, role: "service_role", byKey: true},
		{name: "another scheme", auth: "Basic abc"},
		{name: "another scheme beside a key", auth: "Basic abc", key: k.SecretKey},
		{name: "garbage", auth: "Bearer garbage", refused: true},
		{name: "empty bearer", auth: "Bearer ", key: k.SecretKey, refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/rest/v1/t?"+c.query, nil)
			if c.auth != "" {
				r.Header.Set("Authorization", c.auth)
			}
			if c.key != "" {
				r.Header.Set("apikey", c.key)
			}
			_, got, seen := serve(t, k, r)
			role := ""
			if got.Claims != nil {
				role = got.Claims.Role
			}
			if role != c.role || got.ByKey != c.byKey || got.KeyAsToken != c.asToken || (got.Err != nil) != c.refused {
				t.Errorf("role %q, by key %t, key as token %t, error %v", role, got.ByKey, got.KeyAsToken, got.Err)
			}
			if strings.Contains(seen.URL.RawQuery, "apikey") {
				t.Error("the key stayed in the query")
			}
		})
	}
}

func TestKeyLeavesTheQueryAlone(t *testing.T) {
	_, _, seen := serve(t, demo(t), httptest.NewRequest("GET", "/t?a=eq.1&apikey=x&b=eq.a%26apikey=2", nil))
	if seen.URL.RawQuery != "a=eq.1&b=eq.a%26apikey=2" {
		t.Errorf("query %q", seen.URL.RawQuery)
	}
}

func TestPreflight(t *testing.T) {
	r := httptest.NewRequest("OPTIONS", "/auth/v1/token", nil)
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "Authorization, X-Supabase-New-Feature")
	w, creds, _ := serve(t, demo(t), r)
	if creds != nil {
		t.Error("the preflight reached the handler")
	}
	allowed := w.Header().Get("Access-Control-Allow-Headers")
	for _, h := range []string{"authorization", "apikey", "x-client-info", "content-type", "x-supabase-new-feature"} {
		if !strings.Contains(allowed, h) {
			t.Errorf("%s is not allowed in %s", h, allowed)
		}
	}
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "*" || strings.Count(allowed, "authorization") != 1 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// What a preflight asks for is bounded: its answer does not grow with it, nor
// the work with its square.
func TestPreflightIsBounded(t *testing.T) {
	var asked strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&asked, "x%d,", i)
	}
	r := httptest.NewRequest("OPTIONS", "/rest/v1/t", nil)
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", asked.String())
	var w *httptest.ResponseRecorder
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			w, _, _ = serve(t, demo(t), r.Clone(b.Context()))
		}
	}).AllocedBytesPerOp()
	allowed := w.Header().Get("Access-Control-Allow-Headers")
	if w.Code != 200 || len(allowed) > 4<<10 || !strings.Contains(allowed, "x-upsert") {
		t.Errorf("%d, %d bytes allowed", w.Code, len(allowed))
	}
	if allocated > 1<<20 {
		t.Errorf("%d bytes are allocated for one preflight", allocated)
	}
}

// A panic is answered, logged with its id, and shows the client nothing of it.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	g := New(Config{Keys: demo(t), Verifier: NewVerifier(nil), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	w := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })).
		ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "boom") || !strings.Contains(log.String(), w.Header().Get("X-Request-Id")) {
		t.Errorf("log %s", &log)
	}
}

// A request whose answer is cut off stands in the log all the same.
func TestCutIsLogged(t *testing.T) {
	var log bytes.Buffer
	g := New(Config{Keys: demo(t), Verifier: NewVerifier(nil), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) || !strings.Contains(log.String(), "path=/cut status=200") {
			t.Errorf("%v, log %s", err, &log)
		}
	}()
	g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/cut", nil))
}

// A panic in the middle of an answer cuts the connection: half an answer must
// not look whole.
func TestPanicMidway(t *testing.T) {
	g := New(Config{Keys: demo(t), Verifier: NewVerifier(nil)})
	srv := httptest.NewServer(g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		panic("midway")
	})))
	defer srv.Close()
	req, _ := http.NewRequestWithContext(context.Background(), "GET", srv.URL, nil)
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("the answer looked whole")
	}
	http.DefaultClient.CloseIdleConnections()
}

// No token or key reaches the log.
func TestLogHoldsNoKeys(t *testing.T) {
	var log bytes.Buffer
	k := demo(t)
	g := New(Config{Keys: k, Verifier: NewVerifier(KeySet{SecretKey(k.JWTSecret)}), Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	r := httptest.NewRequest("GET", "/rest/v1/t?apikey="+k.SecretKey+"&token=secret-token", nil)
	r.Header.Set("Authorization", "Bearer "+k.ServiceRoleKey)
	g.Wrap(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	for _, secret := range []string{k.SecretKey, k.ServiceRoleKey, "secret-token"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s: %s", secret, &log)
		}
	}
	if !strings.Contains(log.String(), `"path":"/rest/v1/t"`) {
		t.Errorf("log %s", &log)
	}
}
