package auth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestParseJSON(t *testing.T) {
	type body struct {
		Email string `json:"email"`
		Data  object `json:"data"`
		challenge
	}
	for _, c := range []struct {
		name, in string
		message  string // "" means it is read
	}{
		{"object", `{"email":"a@b.c","data":{"x":1}}`, ""},
		{"unknown fields", `{"gotrue_meta_security":{},"x":[1]}`, ""},
		{"nulls", `{"email":null,"data":null,"code_challenge":null,"code_challenge_method":null}`, ""},
		{"escaped backslash before u0000", `{"email":"\\u0000"}`, ""},
		{"empty", ``, "Could not parse request body as JSON: unexpected end of JSON input"},
		{"form", `email=a`, "Could not parse request body as JSON: invalid character 'e' looking for beginning of value"},
		{"wrong type", `{"email":1}`, "Could not parse request body as JSON: json: cannot unmarshal number into Go struct field"},
		{"no object", `[]`, "Could not parse request body as JSON: json: cannot unmarshal array into Go value"},
		{"nul", `{"email":"a\u0000"}`, "Could not parse request body as JSON: the character \\u0000 cannot be stored"},
		{"nul deep", `{"data":{"x":["\\\u0000"]}}`, "Could not parse request body as JSON: the character \\u0000 cannot be stored"},
	} {
		var b body
		err := parseJSON([]byte(c.in), &b)
		switch {
		case c.message == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.message == "":
		default:
			e := asError(err)
			if e.Status != 400 || e.Code != "bad_json" || !strings.HasPrefix(e.Message, c.message) {
				t.Errorf("%s: got %v, want 400 bad_json %s…", c.name, err, c.message)
			}
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	f.Add(`{"email":"a@b.c","data":{"x":null}}`)
	f.Add(`{"data":{"a":"\u0000"}}`)
	f.Add(`{"refresh_token":"abcdefghijkl"}`)
	f.Fuzz(func(t *testing.T, s string) {
		var p signupParams
		if err := parseJSON([]byte(s), &p); err != nil {
			if asError(err).Status != http.StatusBadRequest {
				t.Fatalf("a bad body is a %v", err)
			}
			return
		}
		for _, text := range []string{p.Email, p.Password, string(mustJSON(p.Data))} {
			if strings.Contains(text, "\x00") || strings.Contains(text, `\u0000`) && !strings.Contains(text, `\\u0000`) {
				t.Fatalf("a NUL came through: %q", text)
			}
		}
		set, remove := p.Data.merge()
		var m map[string]any
		if err := json.Unmarshal(set, &m); err != nil || len(m)+len(remove) != len(p.Data) {
			t.Fatalf("merge of %v: %s and %v", p.Data, set, remove)
		}
		_ = p.challenge.check()
		_, _ = validEmail(p.Email)
		_, _ = validPhone(p.Phone)
	})
}

func TestRefreshTokenForm(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := newRefreshToken()
		if !wellFormedRefreshToken(s) || seen[s] {
			t.Fatalf("%q is malformed or not new", s)
		}
		seen[s] = true
	}
	for _, s := range []string{"", "abc", "abcdefghijk", "abcdefghijkL", "abcdefghijk_", "abcdefghijklm", "äbcdefghijk", "abcdefghijk\x00"} {
		if wellFormedRefreshToken(s) {
			t.Errorf("%q passes", s)
		}
	}
}

func FuzzRefreshTokenForm(f *testing.F) {
	f.Add("abcdefghijkl")
	f.Add("ABCDEFGHIJKL")
	f.Add(newCounterToken("6f1b2a9e-2f57-4a6c-9d7e-0a4f5b3c2d1e", 300, []byte("key")))
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := parseCounterToken(s); ok {
			if c.counter < 0 || len(c.session) != 36 || len(c.signature) != counterSignature {
				t.Errorf("%q is read as %+v", s, c)
			}
			return
		}
		if wellFormedRefreshToken(s) && (len(s) != 12 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") != "") {
			t.Errorf("%q passes", s)
		}
	})
}

//covers:auth 67
func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"A.b+c@Example.COM": "a.b+c@example.com", "a@localhost": "a@localhost", "o'hara@x-y.io": "o'hara@x-y.io",
	} {
		if got, err := validEmail(in); got != want || err != nil {
			t.Errorf("validEmail(%q) = %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"":                                  "An email address is required",
		"a":                                 "Unable to validate email address: invalid format",
		"a@":                                "Unable to validate email address: invalid format",
		"a b@c.d":                           "Unable to validate email address: invalid format",
		"a@b..c":                            "Unable to validate email address: invalid format",
		"a@-b.c":                            "Unable to validate email address: invalid format",
		strings.Repeat("a", 250) + "@b.cde": "An email address is too long",
	} {
		if _, err := validEmail(in); err == nil || asError(err).Message != want {
			t.Errorf("validEmail(%.20q…): %v, want %s", in, err, want)
		}
	}
	if got, err := validPhone("+1 555 0100"); got != "15550100" || err != nil {
		t.Errorf("phone: %q, %v", got, err)
	}
	for _, in := range []string{"", "+", "0123", "abc", "1", "1234567890123456", "+1-555"} {
		if _, err := validPhone(in); err == nil {
			t.Errorf("validPhone(%q) passes", in)
		}
	}
}

//covers:auth 27
func TestRedirects(t *testing.T) {
	patterns, err := parseRedirects([]string{
		"https://*.example.com/**", "https://app.io/*/cb", "myapp://callback", "https://x.io/a?c", "https://[ab].net/", "https://{one,two}.org/",
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{cfg: Config{SiteURL: "https://site.test:8443/home"}, redirects: patterns}
	for target, want := range map[string]bool{
		"":                              false,
		"https://site.test:8443/else":   true,
		"https://site.test/else":        false, // another port
		"http://site.test:8443/":        false, // another scheme
		"https://evil.test/":            false,
		"http://127.0.0.1:9999/x":       true,
		"http://[::1]:1/":               true,
		"http://10.0.0.1/":              false,
		"http://2130706433/":            false, // 127.0.0.1 as one number
		"https://a.example.com/x/y":     true,
		"https://a.b.example.com/x":     false, // * stays within a part
		"https://a.example.com/x#frag":  true,
		"https://app.io/one/cb":         true,
		"https://app.io/one/two/cb":     false,
		"myapp://callback":              true,
		"myapp://other":                 false,
		"https://x.io/abc":              true,
		"https://x.io/a.c":              false,
		"https://a.net/":                true,
		"https://c.net/":                false,
		"https://two.org/":              true,
		"https://three.org/":            false,
		"https://evil.com\\@site.test/": false,
		"javascript:alert(1)":           false,
		"https://site.test:8443@evil/":  false,
	} {
		if got := h.redirectAllowed(target); got != want {
			t.Errorf("redirectAllowed(%q) = %v, want %v", target, got, want)
		}
	}
	if _, err := parseRedirects([]string{"https://[x"}); err == nil {
		t.Error("an unclosed [ passes")
	}
	local := &Handler{cfg: Config{SiteURL: "http://localhost:3000"}}
	if !local.redirectAllowed("http://localhost:5173/cb") {
		t.Error("on a loopback host any port is fine")
	}
}

func FuzzRedirectAllowed(f *testing.F) {
	patterns, err := parseRedirects([]string{"https://*.example.com/**"})
	if err != nil {
		f.Fatal(err)
	}
	h := &Handler{cfg: Config{SiteURL: "https://site.test"}, redirects: patterns}
	f.Add("https://a.example.com/x")
	f.Add("//evil")
	f.Fuzz(func(t *testing.T, s string) {
		if h.redirectAllowed(s) && strings.HasPrefix(s, "http://evil") {
			t.Errorf("%q passes", s)
		}
	})
}

func FuzzGlob(f *testing.F) {
	f.Add("https://*.x/**", "https://a.x/b/c")
	f.Add("[!a]{b,c}?", "zb1")
	f.Fuzz(func(t *testing.T, glob, s string) {
		re, err := globRegexp(glob)
		if err == nil {
			re.MatchString(s)
		}
	})
}

//covers:auth 26
func TestRedirectTargetOrder(t *testing.T) {
	h := &Handler{cfg: Config{SiteURL: "http://localhost:3000"}}
	r := httptest.NewRequest("POST", "/otp?redirect_to=http://localhost:3000/query", nil)
	r.Header.Set("Referer", "http://localhost:3000/referer")
	if got := h.redirectTarget(r); got != "http://localhost:3000/query" {
		t.Errorf("query: %s", got)
	}
	r.Header.Set("redirect_to", "http://localhost:3000/header")
	if got := h.redirectTarget(r); got != "http://localhost:3000/header" {
		t.Errorf("header: %s", got)
	}
	r.Header.Set("redirect_to", "http://evil.test/")
	if got := h.redirectTarget(r); got != "http://localhost:3000/referer" {
		t.Errorf("a bad target falls back to the referer: %s", got)
	}
	r.Header.Del("Referer")
	if got := h.redirectTarget(r); got != "http://localhost:3000" {
		t.Errorf("and then to the site: %s", got)
	}
}

//covers:auth 161
func TestStrength(t *testing.T) {
	h := &Handler{cfg: Config{Password: PasswordConfig{MinLength: 8, RequiredCharacters: []string{"abc", "123"}}}}
	for _, c := range []struct {
		password, message string
		reasons           string
	}{
		{"a1234567", "", ""},
		{"a1", "Password should be at least 8 characters.", "length"},
		{"xxxxxxxx", "Password should contain at least one character of each: abc, 123.", "characters"},
		{"x", "Password should be at least 8 characters. Password should contain at least one character of each: abc, 123.", "length characters"},
	} {
		err := h.checkStrength(t.Context(), c.password)
		if c.message == "" {
			if err != nil {
				t.Errorf("%q: %v", c.password, err)
			}
			continue
		}
		e := asError(err)
		if e.Status != 422 || e.Code != "weak_password" || e.Message != c.message || strings.Join(e.Reasons, " ") != c.reasons {
			t.Errorf("%q: %+v", c.password, e)
		}
	}
	if e := asError(h.checkStrength(t.Context(), strings.Repeat("a1", 37))); e.Status != 400 || e.Message != "Password cannot be longer than 72 characters" {
		t.Errorf("74 bytes: %v", e)
	}
}

// The vectors of RFC 6238, appendix B, cut to six digits.
func TestTOTPVectors(t *testing.T) {
	secret := totpEncoding.EncodeToString([]byte("12345678901234567890"))
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		got, err := totpCode(secret, at/totpPeriod)
		if err != nil || got != want {
			t.Errorf("at %d: %s, %v, want %s", at, got, err, want)
		}
		for d, want := range map[int64]bool{-60: false, -30: true, 0: true, 30: true, 60: false} {
			if at+d < 0 {
				continue
			}
			if fits, err := totpFits(secret, got, time.Unix(at+d, 0)); fits != want || err != nil {
				t.Errorf("the code of %d, %d seconds later: %v, %v", at, d, fits, err)
			}
		}
	}
	if _, err := totpFits("not base32!", "000000", time.Unix(0, 0)); err == nil {
		t.Error("a broken secret passes")
	}
}

func TestCodes(t *testing.T) {
	h := &Handler{}
	for range 100 {
		if c := h.newCode("ann@example.com", 6); len(c) != 6 || strings.Trim(c, "0123456789") != "" {
			t.Fatalf("code %q", c)
		}
	}
	if got := codeHash("a@b.c", "123456"); len(got) != 56 || got != codeHash("a@b.c", "123456") || got == codeHash("a@b.c", "123457") {
		t.Errorf("hash %q", got)
	}
	now := time.Now()
	sent := now.Add(-time.Minute)
	for _, c := range []struct {
		hash, stored string
		sent         *time.Time
		life         time.Duration
		want         bool
	}{
		{"x", "x", &sent, time.Hour, true},
		{"x", "pkce_x", &sent, time.Hour, true},
		{"x", "y", &sent, time.Hour, false},
		{"", "", &sent, time.Hour, false},
		{"x", "", &sent, time.Hour, false},
		{"x", "x", nil, time.Hour, false},
		{"x", "x", &sent, time.Second, false},
	} {
		if got := codeFits(c.hash, c.stored, c.sent, c.life, now); got != c.want {
			t.Errorf("codeFits(%q, %q, %v, %v) = %v", c.hash, c.stored, c.sent, c.life, got)
		}
	}
	if err := tooSoon(codeEmailLimit, &sent, 2*time.Minute, now); err == nil ||
		asError(err).Message != "For security purposes, you can only request this after 60 seconds." {
		t.Errorf("too soon: %v", err)
	}
	if err := tooSoon(codeEmailLimit, &sent, 30*time.Second, now); err != nil {
		t.Errorf("late enough: %v", err)
	}
}

//covers:auth 12
func TestVersionHeader(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "2023-12-31": false, "2024-01-01": true, "2025-06-30": true, "yesterday": false, "2024-13-01": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(versionHeader, value)
		if newShape(r) != want {
			t.Errorf("newShape(%q) is not %v", value, want)
		}
	}
}

func TestPages(t *testing.T) {
	for query, want := range map[string]page{
		"":                    {1, 50, "desc"},
		"page=&per_page=":     {1, 50, "desc"},
		"page=3&per_page=7":   {3, 7, "desc"},
		"page=0":              {0, 50, "desc"},
		"sort=created_at asc": {1, 50, "asc"},
		"sort=created_at":     {1, 50, "desc"},
		"page=18446744073709551615&per_page=18446744073709551615": {18446744073709551615, 18446744073709551615, "desc"},
	} {
		r := httptest.NewRequest("GET", "/admin/users?"+strings.ReplaceAll(query, " ", "%20"), nil)
		p, err := parsePage(r.URL.Query())
		if err != nil || p != want {
			t.Errorf("%q: %+v, %v", query, p, err)
		}
		if limit, offset := p.limits(); limit < 0 || offset < 0 {
			t.Errorf("%q: limit %d offset %d", query, limit, offset)
		}
	}
	for query, want := range map[string]string{
		"page=x":               `Bad Pagination Parameters: strconv.ParseUint: parsing "x": invalid syntax`,
		"per_page=-1":          `Bad Pagination Parameters: strconv.ParseUint: parsing "-1": invalid syntax`,
		"sort=email":           `Bad Sort Parameters: bad field for sort 'email'`,
		"sort=created_at%20up": `Bad Sort Parameters: bad direction for sort 'up', only 'asc' and 'desc' allowed`,
	} {
		r := httptest.NewRequest("GET", "/admin/users?"+query, nil)
		if _, err := parsePage(r.URL.Query()); err == nil || asError(err).Message != want {
			t.Errorf("%q: %v, want %s", query, err, want)
		}
	}
}

func TestClientIP(t *testing.T) {
	for _, c := range []struct{ forwarded, remote, want string }{
		{"", "192.0.2.1:1234", "192.0.2.1"},
		{"", "[2001:db8::1]:1", "2001:db8::1"},
		{"203.0.113.9, 10.0.0.1", "192.0.2.1:1", "203.0.113.9"},
		{"unknown, 203.0.113.9", "192.0.2.1:1", "203.0.113.9"},
		{"'; drop table", "@", ""},
		{"fe80::1%eth0", "192.0.2.1:1", "fe80::1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-For", c.forwarded)
		if got := clientIP(r); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestCleanText(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 9, "abc"}, {"a\x00b\xffc", 9, "abc"}, {"aé", 2, "a"}, {"éé", 3, "é"}, {"日本", 2, ""}} {
		if got := cleanText(c.in, c.n); got != c.want {
			t.Errorf("cleanText(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "DB") {
		t.Errorf("without a database: %v", err)
	}
	if _, err := parseMailTemplates(EmailConfig{Templates: map[string]Template{"typo": {}}}, "", nil, nil); err == nil || !strings.Contains(err.Error(), "magic_link") {
		t.Errorf("a template of no kind: %v", err)
	}
	if _, err := parseMailTemplates(EmailConfig{Templates: map[string]Template{mailInvite: {HTML: "{{"}}}, "", nil, nil); err == nil {
		t.Error("a broken template passes")
	}
	if _, err := parseSMSTemplate("{{ .Code"); err == nil {
		t.Error("a broken text template passes")
	}
}

func TestErrorsUnwrap(t *testing.T) {
	cause := errors.New("cause")
	err := internal("message", cause)
	if !errors.Is(err, cause) || asError(err).Status != 500 {
		t.Errorf("%v", err)
	}
	if again := internal("other", err); again != err { //nolint:errorlint // the very same error is meant
		t.Errorf("an answer is wrapped in another: %v", again)
	}
}
