package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

func part(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// sign makes a token by hand, so that what makes it is not what checks it.
func sign(header, claims, secret string) string {
	text := part([]byte(header)) + "." + part([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + part(mac.Sum(nil))
}

// answer is what an API says: the status of HTTP and the body.
type answer struct {
	status int
	body   string
}

// TestBadTokens sends every kind of bad token to each of the three APIs.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL("create table t (i int)"))
	srv.ServiceClient().Post(t, "/storage/v1/bucket", map[string]any{"name": "b"}).WantStatus(t, http.StatusOK)
	const hs256 = `{"alg":"HS256","typ":"JWT"}`
	now := time.Now().Unix()
	claims := func(exp int64) string {
		return `{"role":"authenticated","aud":"authenticated","sub":"6f2a1bfe-2f5f-4bb5-8c3c-0f4f4f0e6a3d","exp":` + itoa(exp) + `}`
	}
	good := claims(now + 3600)
	cases := []struct {
		name, token         string
		rest, auth, storage answer
	}{
		{
			"expired", sign(hs256, claims(now-3600), srv.JWTSecret),
			answer{401, `{"code":"PGRST303","details":null,"hint":null,"message":"JWT expired"}`},
			answer{403, `{"code":"bad_jwt","message":"invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired"}`},
			answer{400, `{"statusCode":"403","error":"Unauthorized","message":"\"exp\" claim timestamp check failed","code":"AccessDenied"}`},
		},
		{
			"malformed", "not-a-token",
			answer{401, `{"code":"PGRST301","details":null,"hint":null,"message":"Expected 3 parts in JWT; got 1"}`},
			answer{403, `{"code":"bad_jwt","message":"invalid JWT: unable to parse or verify signature, token is malformed: token contains an invalid number of segments"}`},
			answer{400, `{"statusCode":"403","error":"Unauthorized","message":"Invalid Compact JWS","code":"AccessDenied"}`},
		},
		{
			"of another key", sign(hs256, good, "another-secret-of-at-least-32-characters"),
			answer{401, `{"code":"PGRST301","details":"None of the keys was able to decode the JWT","hint":null,"message":"No suitable key or wrong key type"}`},
			answer{403, `{"code":"bad_jwt","message":"invalid JWT: unable to parse or verify signature, token signature is invalid: signature is invalid"}`},
			answer{400, `{"statusCode":"403","error":"Unauthorized","message":"signature verification failed","code":"AccessDenied"}`},
		},
		{
			"unsigned", part([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part([]byte(good)) + ".",
			answer{401, `{"code":"PGRST301","details":"JWT is unsecured but expected 'alg' was not 'none'","hint":null,"message":"Wrong or unsupported encoding algorithm"}`},
			answer{403, `{"code":"bad_jwt","message":"invalid JWT: unable to parse or verify signature, token signature is invalid: signing method none is invalid"}`},
			answer{400, `{"statusCode":"403","error":"Unauthorized","message":"\"alg\" (Algorithm) Header Parameter value not allowed","code":"AccessDenied"}`},
		},
		{
			"unsigned, with a signature", sign(`{"alg":"none","typ":"JWT"}`, good, srv.JWTSecret),
			answer{401, `{"code":"PGRST301","details":"JWT is unsecured but expected 'alg' was not 'none'","hint":null,"message":"Wrong or unsupported encoding algorithm"}`},
			answer{403, `{"code":"bad_jwt","message":"invalid JWT: unable to parse or verify signature, token signature is invalid: signing method none is invalid"}`},
			answer{400, `{"statusCode":"403","error":"Unauthorized","message":"\"alg\" (Algorithm) Header Parameter value not allowed","code":"AccessDenied"}`},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{"Authorization": {"Bearer " + c.token}, "X-Supabase-Api-Version": {"2024-01-01"}}
			for _, api := range []struct {
				method, path string
				want         answer
			}{
				{http.MethodGet, "/rest/v1/t", c.rest},
				{http.MethodGet, "/auth/v1/user", c.auth},
				{http.MethodPost, "/storage/v1/object/list/b", c.storage},
			} {
				var body any
				if api.method == http.MethodPost {
					body = `{"prefix":""}`
				}
				res := srv.Client().Do(t, api.method, api.path, body, header)
				if got := (answer{res.Status, string(res.Body)}); got != api.want {
					t.Errorf("%s:\n got %v\nwant %v", api.path, got, api.want)
				}
			}
		})
	}
	// the same, signed as it should be, is let in
	ok := srv.Client().Do(t, http.MethodGet, "/rest/v1/t", nil, http.Header{"Authorization": {"Bearer " + sign(hs256, good, srv.JWTSecret)}})
	ok.WantStatus(t, http.StatusOK)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// TestBodyTooLarge sends each API more than it takes, and then what it takes.
func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL("create table t (s text)"),
		suparusttest.WithConfig(func(c *server.Config) { c.Storage.FileSizeLimit = 1 << 20 }))
	service := srv.ServiceClient()
	service.Post(t, "/storage/v1/bucket", map[string]any{"name": "b"}).WantStatus(t, http.StatusOK)
	for _, c := range []struct {
		name, path string
		size       int
		want       answer
	}{
		{"REST", "/rest/v1/t", 64 << 20, answer{413, `"code":"PGRST102"`}},
		{"Auth", "/auth/v1/signup", 1 << 20, answer{413, `{"code":"request_entity_too_large","message":"Request body too large (max 1048576 bytes)"}`}},
		{"Storage", "/storage/v1/object/b/x", 1 << 20, answer{400, `{"statusCode":"413","error":"Payload too large","message":"The object exceeded the maximum allowed size","code":"EntityTooLarge"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := `{"s":"` + strings.Repeat("x", c.size) + `"}`
			header := http.Header{"X-Supabase-Api-Version": {"2024-01-01"}}
			res := service.Do(t, http.MethodPost, c.path, body, header)
			if res.Status != c.want.status || !strings.Contains(string(res.Body), c.want.body) {
				t.Errorf("%d %s, want %v", res.Status, res.Body, c.want)
			}
			// the length is not told beforehand
			res = service.Do(t, http.MethodPost, c.path, unsized{strings.NewReader(body)}, header)
			if res.Status != c.want.status || !strings.Contains(string(res.Body), c.want.body) {
				t.Errorf("in chunks: %d %s, want %v", res.Status, res.Body, c.want)
			}
		})
	}
	service.Post(t, "/rest/v1/t", `{"s":"small"}`).WantStatus(t, http.StatusCreated)
	service.Post(t, "/storage/v1/object/b/x", strings.Repeat("x", 1<<20)).WantStatus(t, http.StatusOK)
	if got := service.Get(t, "/rest/v1/t").WantStatus(t, http.StatusOK).Body; string(got) != `[{"s":"small"}]` {
		t.Errorf("the table holds %s", got)
	}
}

// unsized hides the length of a body from the client.
type unsized struct{ r *strings.Reader }

func (u unsized) Read(p []byte) (int, error) { return u.r.Read(p) }
