package rest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	f := start(t, "create table open(id int); grant select on open to anon, authenticated")
	now := time.Now()
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, c := range map[string]struct {
		claims        map[string]any
		status        int
		code, message string
	}{
		"no claims at all":        {map[string]any{}, 200, "", ""},
		"expired":                 {map[string]any{"role": "authenticated", "exp": in(-time.Minute)}, 401, "PGRST303", "JWT expired"},
		"expired within leeway":   {map[string]any{"role": "authenticated", "exp": in(-10 * time.Second)}, 200, "", ""},
		"not yet valid":           {map[string]any{"role": "authenticated", "nbf": in(time.Minute)}, 401, "PGRST303", "JWT not yet valid"},
		"issued in the future":    {map[string]any{"role": "authenticated", "iat": in(time.Minute)}, 401, "PGRST303", "JWT issued at future"},
		"issued within leeway":    {map[string]any{"role": "authenticated", "iat": in(10 * time.Second)}, 200, "", ""},
		"exp is a text":           {map[string]any{"role": "authenticated", "exp": "soon"}, 401, "PGRST303", "The JWT 'exp' claim must be a number"},
		"audience of any form":    {map[string]any{"role": "authenticated", "aud": []string{"a", "b"}}, 200, "", ""},
		"audience is a number":    {map[string]any{"role": "authenticated", "aud": 5}, 401, "PGRST303", "The JWT 'aud' claim must be a string or an array of strings"},
		"unknown role":            {map[string]any{"role": "no one"}, 401, "22023", `role "no one" does not exist`},
		"role that may not be":    {map[string]any{"role": "supabase_admin"}, 403, "42501", `permission denied to set role "supabase_admin"`},
		"role with odd letters":   {map[string]any{"role": `a"b';--`}, 401, "22023", `role "a"b';--" does not exist`},
		"claims with odd letters": {map[string]any{"role": "authenticated", "x": "\u0000 ' \" \\"}, 200, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := (&client{url: f.URL, token: f.token(t, c.claims)}).get(t, "/open")
			if c.code == "" {
				r.want(t, c.status, `[]`)
				return
			}
			r.want(t, c.status, fmt.Sprintf(`{"code":%q,"details":null,"hint":null,"message":%q}`, c.code, c.message))
			if c.code == "PGRST303" {
				if got := r.header.Get("WWW-Authenticate"); got != `Bearer error="invalid_token", error_description="`+c.message+`"` {
					t.Errorf("WWW-Authenticate is %s", got)
				}
			}
		})
	}
	good := f.token(t, map[string]any{"role": "authenticated"})
	for name, c := range map[string]struct{ token, message, details string }{
		"two parts":       {"a.b", "Expected 3 parts in JWT; got 2", ""},
		"garbage":         {"a.b.c", "JWT cryptographic operation failed", ""},
		"other signature": {good[:strings.LastIndexByte(good, '.')] + ".AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "No suitable key or wrong key type", "None of the keys was able to decode the JWT"},
		"alg none":        {"eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYW5vbiJ9.", "Wrong or unsupported encoding algorithm", "JWT is unsecured but expected 'alg' was not 'none'"},
	} {
		t.Run(name, func(t *testing.T) {
			details := "null"
			if c.details != "" {
				details = fmt.Sprintf("%q", c.details)
			}
			r := (&client{url: f.URL, token: c.token}).get(t, "/open")
			r.want(t, 401, fmt.Sprintf(`{"code":"PGRST301","details":%s,"hint":null,"message":%q}`, details, c.message))
		})
	}
	// the token is judged before anything else of the request
	(&client{url: f.URL, token: "a.b"}).get(t, "/a/b?x=y").wantCode(t, 401, "PGRST301")
	(&client{url: f.URL}).get(t, "/open").want(t, 200, `[]`)
}
