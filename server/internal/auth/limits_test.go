package auth_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth"
)

// A client whom a header names may do each thing so often.
//
//covers:auth 28
func TestRequestLimits(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.Limits = auth.DefaultLimits()
		c.Limits.Header = "X-Real-Ip"
		c.Limits.EmailsSent = nil
		c.Limits.AnonymousUsers = 2
	})
	u := f.signUp(t, "limits@example.com")
	r := f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp"}).ok(t, 200)
	factor := "/factors/" + r.text("id")
	from := func(ip string, q request) *response {
		q.header = map[string]string{"X-Real-Ip": ip}
		return f.do(t, q)
	}
	// what each counts on its own, how often it may be at once, and how much
	// later once more
	type limit struct {
		request
		burst int
		next  time.Duration
	}
	post := func(path string, body any) request { return request{method: "POST", path: path, body: body} }
	limits := map[string]limit{
		"signup":    {post("/signup", map[string]any{"email": "x"}), 30, 10 * time.Second},
		"recover":   {post("/recover", "{"), 30, 10 * time.Second},
		"resend":    {post("/resend", "{"), 30, 10 * time.Second},
		"magiclink": {post("/magiclink", "{"), 30, 10 * time.Second},
		"otp":       {post("/otp", "{"), 30, 10 * time.Second},
		"user":      {request{method: "PUT", path: "/user", body: "{", token: u.token}, 30, 10 * time.Second},
		"verify":    {post("/verify", "{"), 30, 10 * time.Second},
		"token":     {post("/token?grant_type=refresh_token", "{"), 30, 2 * time.Second},
		"web3":      {post("/token?grant_type=web3", "{"), 30, 10 * time.Second},
		"anonymous": {post("/signup", "{}"), 2, 30 * time.Minute},
		"challenge": {request{method: "POST", path: factor + "/challenge", token: u.token}, 30, 4 * time.Second},
		"factor":    {request{method: "POST", path: factor + "/verify", body: "{", token: u.token}, 30, 4 * time.Second},
	}
	full := func(name string, l limit, ip string) {
		t.Helper()
		from(ip, l.request).refused(t, 429, "over_request_rate_limit", "Request rate limit reached")
		if h := from(ip, l.request).header; h.Get("Retry-After") != "" || h.Get("X-Ratelimit-Limit") != "" {
			t.Errorf("%s: the platform sends no such header: %v", name, h)
		}
	}
	for name, l := range limits {
		for i := range l.burst {
			if r := from("1.1.1.1", l.request); r.status == 429 {
				t.Fatalf("%s: request %d is one too many", name, i+1)
			}
		}
		full(name, l, "1.1.1.1")
		full(name, l, " 1.1.1.1 , 9.9.9.9")
		if r := from("2.2.2.2", l.request); r.status == 429 {
			t.Errorf("%s: another client is refused", name)
		}
		for _, nameless := range []string{"", ", 1.1.1.1"} {
			if r := from(nameless, l.request); r.status == 429 {
				t.Errorf("%s: a request that names no client is refused", name)
			}
		}
	}
	// the grants share one count, and unknown ones have none; GET /verify shares that of POST
	from("1.1.1.1", post("/token?grant_type=password", "{")).refused(t, 429, "over_request_rate_limit", "Request rate limit reached")
	from("1.1.1.1", post("/token", "{")).refused(t, 400, "invalid_credentials", "unsupported_grant_type")
	from("1.1.1.1", request{path: "/verify?type=signup&token=x"}).refused(t, 429, "over_request_rate_limit", "Request rate limit reached")
	for _, free := range []request{{path: "/settings"}, {path: "/user", token: u.token}, {path: "/health"}} {
		if r := from("1.1.1.1", free); r.status != 200 {
			t.Errorf("%s: %d", free.path, r.status)
		}
	}
	// old clients see the old shape
	old := limits["otp"].request
	old.old = true
	if r := from("1.1.1.1", old); r.status != 429 || r.text("error_code") != "over_request_rate_limit" || r.text("code") != "429" {
		t.Errorf("%s", r.raw)
	}
	// tokens come back one by one
	names := slices.SortedFunc(maps.Keys(limits), func(a, b string) int { return int(limits[a].next - limits[b].next) })
	for _, name := range names {
		l := limits[name]
		ip := "3.3.3." + fmt.Sprint(len(name))
		if name == "anonymous" || name == "user" || name == "challenge" || name == "factor" {
			continue // tokens of users end while the clock is moved
		}
		for range l.burst {
			from(ip, l.request)
		}
		full(name, l, ip)
		f.clock.advance(l.next + time.Second)
		if r := from(ip, l.request); r.status == 429 {
			t.Errorf("%s: refused after %v", name, l.next)
		}
	}
}

// Without the setting no header limits anyone.
//
//covers:auth 28
func TestNoRequestLimits(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Limits = auth.DefaultLimits() })
	for i := range 40 {
		r := f.do(t, request{method: "POST", path: "/verify", body: "{", header: map[string]string{"X-Forwarded-For": "1.1.1.1"}})
		if r.status != 400 {
			t.Fatalf("request %d: %d", i, r.status)
		}
	}
}

// Mails and texts of an hour are bounded where they confirm something.
//
//covers:auth 31
func TestMessageLimits(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.Email.RequireConfirmation = true
		c.Email.Notifications = map[string]bool{"password_changed": true}
		c.Phone = auth.PhoneConfig{Enabled: true, RequireConfirmation: true, MaxFrequency: -1, TestCodes: map[string]string{"15550009": "424242"}}
		c.Limits.EmailsSent, c.Limits.SMSSent = auth.Hourly(3), auth.Hourly(2)
	})
	mail := func(n int) *response {
		return f.post(t, "/otp", map[string]any{"email": fmt.Sprintf("m%d@example.com", n)})
	}
	text := func(phone string) *response { return f.post(t, "/otp", map[string]any{"phone": phone}) }
	for n := range 2 {
		mail(n).ok(t, 200)
		text(fmt.Sprint("1555000", n)).ok(t, 200)
	}
	f.admin(t, "POST", "/invite", map[string]any{"email": "guest@example.com"}).ok(t, 200)
	mail(3).refused(t, 429, "over_email_send_rate_limit", "email rate limit exceeded")
	f.admin(t, "POST", "/invite", map[string]any{"email": "other@example.com"}).refused(t, 429, "over_email_send_rate_limit", "email rate limit exceeded")
	text("15550005").refused(t, 429, "over_sms_send_rate_limit", "SMS rate limit exceeded")
	text("15550009").ok(t, 200) // a test number is sent nothing
	if n := f.value(t, `select count(*) from auth.users`); n != "6" {
		t.Errorf("%s users: a refused mail leaves none", n)
	}
	// a notification beyond the limit stops nothing
	r := f.admin(t, "POST", "/admin/users", map[string]any{"email": "u@example.com", "password": goodPassword, "email_confirm": true}).ok(t, 200)
	u := f.signIn(t, user{id: r.text("id"), email: "u@example.com", password: goodPassword})
	f.as(t, u, "PUT", "/user", map[string]any{"password": "another password"}).ok(t, 200)
	f.as(t, u, "PUT", "/user", map[string]any{"email": "new@example.com"}).refused(t, 429, "over_email_send_rate_limit", "email rate limit exceeded")
	f.clock.advance(time.Hour + time.Second)
	mail(3).ok(t, 200)
	text("15550005").ok(t, 200)
}

// Where addresses need no confirmation only a limit of none counts.
//
//covers:auth 31
func TestMessageLimitsAutoconfirm(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) {
		c.Limits.EmailsSent = auth.Hourly(1)
		c.Phone = auth.PhoneConfig{Enabled: true, MaxFrequency: -1}
		c.Limits.SMSSent = auth.Hourly(0)
	})
	for n := range 3 {
		f.post(t, "/otp", map[string]any{"email": fmt.Sprintf("m%d@example.com", n)}).ok(t, 200)
	}
	f.post(t, "/otp", map[string]any{"phone": "15550001"}).ok(t, 200)
	f = start(t, func(c *auth.Config) { c.Limits.EmailsSent = auth.Hourly(0) })
	f.signUp(t, "none@example.com")
	f.post(t, "/recover", map[string]any{"email": "none@example.com"}).refused(t, 429, "over_email_send_rate_limit", "email rate limit exceeded")
}

// A limit of no anonymous sign-ins lets none in.
//
//covers:auth 28
func TestNoAnonymousSignIns(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *auth.Config) { c.Limits = auth.LimitsConfig{Header: "X-Real-Ip"} })
	f.do(t, request{method: "POST", path: "/signup", body: "{}", header: map[string]string{"X-Real-Ip": "1.1.1.1"}}).
		refused(t, 429, "over_request_rate_limit", "Request rate limit reached")
}
