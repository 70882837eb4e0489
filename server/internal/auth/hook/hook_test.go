package hook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth/hook"
)

// key is the bytes of a secret, secret how it is configured.
func secretOf(key string) string {
	return "v1,whsec_" + base64.StdEncoding.EncodeToString([]byte(key))
}

var keys = []string{"0123456789abcdefghijklmn", "another key, of 32 bytes or more"}

func TestNew(t *testing.T) {
	for uri, function := range map[string]string{
		"pg-functions://postgres/public/f":                    `"public"."f"`,
		"pg-functions://postgres/My_Schema/_F1":               `"My_Schema"."_F1"`,
		"PG-Functions://anything/public/f/more":               `"public"."f"`,
		"http://localhost:1/x":                                "",
		"http://127.0.0.1/x":                                  "",
		"http://[::1]:54321/x":                                "",
		"http://host.docker.internal:54321/functions/v1/hook": "",
		"https://example.com":                                 "",
	} {
		h, err := hook.New(hook.Config{Enabled: true, URI: uri, Secrets: []string{secretOf(keys[0])}})
		if err != nil || h.Function != function || h.URI != uri {
			t.Errorf("%s: %+v %v", uri, h, err)
		}
	}
	for _, uri := range []string{
		"", "://", "public.f", "ftp://x/y", "https://", "http://example.com/", "http://127.0.0.1.example.com/", "http://10.0.0.1/", "pg-functions://postgres/f",
		"pg-functions://postgres/public/", "pg-functions://postgres//f", "pg-functions://postgres/public/1f", `pg-functions://postgres/public/f"x`,
		"pg-functions://postgres/public/f()", "pg-functions://postgres/public/" + strings.Repeat("f", 64),
	} {
		if h, err := hook.New(hook.Config{Enabled: true, URI: uri}); err == nil {
			t.Errorf("%q is taken: %+v", uri, h)
		}
	}
	for _, s := range []string{"", "abc", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "v1,whsec_", "v1,whsec_short", "v1,whsec_!!!!NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1",
		"v1,whsec_" + strings.Repeat("A", 92), "v1a,whpk_x:whsk_y"} {
		_, err := hook.New(hook.Config{Enabled: true, URI: "https://example.com", Secrets: []string{secretOf(keys[0]), s}})
		if err == nil || !strings.Contains(err.Error(), "secret number 2") || strings.Contains(err.Error(), "MDEy") {
			t.Errorf("the secret %q: %v", s, err)
		}
	}
	if h, err := hook.New(hook.Config{URI: "nonsense"}); h != nil || err != nil {
		t.Error("a hook that is off is looked at")
	}
	if got := hook.Secrets(" a | |b|"); fmt.Sprint(got) != "[a b]" {
		t.Errorf("secrets %v", got)
	}
}

// post starts a receiver and asks the hook that it is.
func post(t *testing.T, h http.HandlerFunc) (answer []byte, err error) {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	k, err := hook.New(hook.Config{Enabled: true, URI: srv.URL + "/hook", Secrets: []string{secretOf(keys[0]), secretOf(keys[1])}})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	k.Hurry(5*time.Second, time.Millisecond)
	return k.Post(t.Context(), []byte(`{"a":1}`))
}

// What is sent carries a signature by each secret, which a receiver checks.
func TestSignature(t *testing.T) {
	answer, err := post(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"a":1}` || r.Method != "POST" || r.URL.Path != "/hook" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %q %v", r.Method, r.URL, body, r.Header)
		}
		at, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
		if err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
			t.Errorf("timestamp %q", r.Header.Get("webhook-timestamp"))
		}
		var want []string
		for _, key := range keys {
			m := hmac.New(sha256.New, []byte(key))
			fmt.Fprintf(m, "%s.%d.%s", r.Header.Get("webhook-id"), at, body)
			want = append(want, "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)))
		}
		if got := r.Header.Get("webhook-signature"); got != strings.Join(want, ", ") {
			t.Errorf("signature %q, want %q", got, want)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	if err != nil || string(answer) != `{"ok":true}` {
		t.Errorf("%s %v", answer, err)
	}
}

func TestPost(t *testing.T) {
	reply := func(status int, contentType, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	limit := 200 << 10
	for name, c := range map[string]struct {
		receiver      http.HandlerFunc
		status        int // 0 is success
		code, message string
	}{
		"ok":                {reply(200, "application/json", `{}`), 0, "", `{}`},
		"accepted":          {reply(202, "Application/JSON", `{"x":1}`), 0, "", `{"x":1}`},
		"no content":        {reply(204, "", ""), 0, "", ""},
		"as much as may be": {reply(200, "application/json", strings.Repeat(" ", limit)), 0, "", strings.Repeat(" ", limit)},
		"too much":          {reply(200, "application/json", strings.Repeat(" ", limit+1)), 422, "hook_payload_over_size_limit", "Payload size exceeded size limit of 204800 bytes"},
		"no type":           {reply(200, "", `{}`), 400, "hook_payload_invalid_content_type", "Invalid Content-Type: Missing Content-Type header"},
		"bad type":          {reply(200, "a b;;", `{}`), 400, "hook_payload_invalid_content_type", "Invalid Content-Type header: mime: expected slash after first token"},
		"another type":      {reply(200, "text/html; charset=utf-8", `{}`), 400, "hook_payload_invalid_content_type", "Invalid JSON response. Received content-type: text/html; charset=utf-8"},
		"bad request":       {reply(400, "application/json", `{}`), 500, "", "Invalid payload sent to hook"},
		"unauthorized":      {reply(401, "application/json", `{}`), 500, "", "Hook requires authorization token"},
		"created":           {reply(201, "application/json", `{}`), 500, "", "Unexpected status code returned from hook: 201"},
		"broken":            {reply(500, "application/json", `{}`), 500, "", "Unexpected status code returned from hook: 500"},
		"elsewhere":         {reply(307, "", "", "Location", "http://127.0.0.1:1/"), 500, "", "Unexpected status code returned from hook: 307"},
		"busy":              {reply(429, "", ""), 500, "", "Service currently unavailable due to hook"},
		"down":              {reply(503, "", ""), 500, "", "Service currently unavailable due to hook"},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			answer, err := post(t, func(w http.ResponseWriter, r *http.Request) { calls.Add(1); c.receiver(w, r) })
			var e *hook.Error
			switch {
			case c.status == 0 && (err != nil || string(answer) != c.message):
				t.Errorf("%.100s %v", answer, err)
			case c.status != 0 && (!errors.As(err, &e) || e.Status != c.status || e.Code != c.code || e.Message != c.message):
				t.Errorf("%.100s %+v", answer, err)
			}
			if calls.Load() != 1 {
				t.Errorf("asked %d times", calls.Load())
			}
		})
	}
}

// A receiver that asks for it is asked again, two times more.
func TestRetries(t *testing.T) {
	var calls, good atomic.Int32
	receiver := func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) >= good.Load() {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{}`)
			return
		}
		w.Header().Set("Retry-After", "true")
		w.WriteHeader([]int{429, 503}[calls.Load()%2])
	}
	good.Store(3)
	if answer, err := post(t, receiver); err != nil || string(answer) != `{}` || calls.Load() != 3 {
		t.Errorf("%s %v after %d calls", answer, err, calls.Load())
	}
	calls.Store(0)
	good.Store(4)
	var e *hook.Error
	if answer, err := post(t, receiver); !errors.As(err, &e) || e.Status != 500 || e.Message != "Service currently unavailable due to hook" || calls.Load() != 3 {
		t.Errorf("%s %v after %d calls", answer, err, calls.Load())
	}
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	address := srv.URL
	srv.Close()
	ask := func(uri string, timeout, backoff time.Duration) *hook.Error {
		t.Helper()
		k, err := hook.New(hook.Config{Enabled: true, URI: uri})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		k.Hurry(timeout, backoff)
		_, err = k.Post(t.Context(), []byte(`{}`))
		var e *hook.Error
		if !errors.As(err, &e) || e.Status != 422 {
			t.Fatalf("%v", err)
		}
		return e
	}
	if e := ask(address, 5*time.Second, time.Millisecond); e.Code != "hook_timeout_after_retry" || e.Message != "Failed to reach hook after maximum retries" {
		t.Errorf("%+v", e)
	}
	if e := ask(address, 250*time.Millisecond, time.Minute); e.Code != "hook_timeout" || e.Message != "Failed to reach hook within maximum time of 0.250000 seconds" {
		t.Errorf("%+v", e)
	}
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Header().Set("Content-Type", "application/json")
			w.(http.Flusher).Flush()
		}
		<-release
	}))
	defer slow.Close()
	defer close(release)
	for _, path := range []string{"/head", "/body"} {
		if e := ask(slow.URL+path, 50*time.Millisecond, time.Millisecond); e.Code != "hook_timeout" {
			t.Errorf("%s: %+v", path, e)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k, err := hook.New(hook.Config{Enabled: true, URI: slow.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := k.Post(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that has gone: %v", err)
	}
	// where a container's name of this machine is not known, it is this machine
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }))
	defer here.Close()
	k, err = hook.New(hook.Config{Enabled: true, URI: strings.Replace(here.URL, "127.0.0.1", "host.docker.internal", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := k.Post(t.Context(), nil); err != nil {
		t.Errorf("host.docker.internal: %v", err)
	}
}

func TestRefusal(t *testing.T) {
	for answer, want := range map[string]string{
		`{"error":{"http_code":403,"message":"no"}}`: "403 no", `{"error":{"message":"no"}}`: "500 no", `{"error":{"http_code":1000,"message":"no"}}`: "500 no",
		`{"error":{"http_code":100,"message":"no"}}`: "500 no", `{"error":{"http_code":200,"message":"no"}}`: "200 no",
		`{"error":{"http_code":403}}`: "", `{"error":null}`: "", `{}`: "", `null`: "", ``: "", `[]`: "", `{"error":"x"}`: "", `{"error":{"http_code":"x","message":"no"}}`: "",
	} {
		got := ""
		if e := hook.Refusal([]byte(answer)); e != nil {
			got = fmt.Sprint(e.Status, " ", e.Message)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", answer, got, want)
		}
	}
}

const goodClaims = `{"aud":"a","exp":2e9,"iat":1.0,"sub":"s","email":"","phone":"","role":"r","aal":"aal1","session_id":"x","is_anonymous":false`

// Whatever a hook answers, it is refused or makes claims that a token can be
// made of, whose times are whole numbers.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{
		`{"claims":` + goodClaims + `}}`, `{"claims":` + goodClaims + `,"amr":[{"method":"otp"},"x",1],"n":1e400,"m":-0.0,"k":1e-9999999}}`,
		`{"claims":` + goodClaims + `,"exp":1e30}}`, `{"claims":null}`, `{"claims":[]}`, `{}`, `null`, ``, `{"claims":{}}`, `{"claims":{"exp":1e999999999}}`,
		`{"claims":` + goodClaims + `,"exp":123456789012345678901234567890}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		claims, err := hook.Claims([]byte(answer))
		if err != nil {
			var e *hook.Error
			if !errors.As(err, &e) || e.Status != 500 || e.Message == "" {
				t.Errorf("%v", err)
			}
			return
		}
		raw, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Exp, Iat json.Number
			Sub      string
		}
		if err := json.Unmarshal(raw, &c); err != nil || strings.ContainsAny(string(c.Exp+c.Iat), ".eE") {
			t.Errorf("%s: %v", raw, err)
		}
	})
}
