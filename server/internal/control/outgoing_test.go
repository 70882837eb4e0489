package control

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, pattern, url string
		want                 bool
	}{
		{"", "*", "https://a.example.com/", true},
		{"post", "https://a.example.com/hook", "https://a.example.com/hook", true},
		{"GET", "https://a.example.com/hook", "https://a.example.com/hook", false},
		{"", "https://a.example.com/hook", "https://a.example.com/hook?x=1", true},
		{"", "https://a.example.com/hook?x=1", "https://a.example.com/hook?x=1", true},
		{"", "https://a.example.com/hook?x=*", "https://a.example.com/hook?y=1", false},
		{"", "https://a.example.com/hook", "https://a.example.com/hooks", false},
		{"", "https://a.example.com/*", "https://a.example.com/any/thing", true},
		{"", "https://*.example.com/*/end", "https://a.b.example.com/one/end", true},
		{"", "https://*.example.com/*/end", "https://a.b.example.com/end", false},
		{"", "https://a*a", "https://a", false},
		{"", "https://a**", "https://a", true},
		{"", "https://a*b*c", "https://a-c-b-c", true},
		{"", "https://a*b*c", "https://a-c-b", false},
	} {
		if got := matches(c.method, c.pattern, &HTTPRequest{Method: "POST", URL: c.url}); got != c.want {
			t.Errorf("%s %s matches %s: %t", c.method, c.pattern, c.url, got)
		}
	}
}

// FuzzMatches: a pattern means what it means as a regular expression.
func FuzzMatches(f *testing.F) {
	f.Add("https://a*b*c", "https://a-b?b-c")
	f.Add("https://a.example.com/**?x=*", "https://a.example.com/?x=")
	f.Add("*", "")
	f.Fuzz(func(t *testing.T, pattern, url string) {
		plain := url
		if !strings.Contains(pattern, "?") {
			plain, _, _ = strings.Cut(url, "?")
		}
		var quoted []string
		for _, part := range strings.Split(pattern, "*") {
			quoted = append(quoted, regexp.QuoteMeta(part))
		}
		same, err := regexp.MatchString(`(?s)\A`+strings.Join(quoted, ".*")+`\z`, plain)
		if err != nil || !utf8.ValidString(pattern+url) {
			return
		}
		if got := matches("", pattern, &HTTPRequest{URL: url}); got != same {
			t.Errorf("%q matches %q: %t", pattern, url, got)
		}
	})
}

// network is what requests that nobody answers reach.
type network struct{ body string }

func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	n.body = string(b)
	return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody}, err
}

// TestOutgoing: what is answered, what goes out, and what is kept of both.
func TestOutgoing(t *testing.T) {
	t.Parallel()
	out := &network{}
	o := NewOutgoing(out)
	send := func(ctx context.Context, url, body string) (int, string, error) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := o.RoundTrip(r)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return res.StatusCode, res.Header.Get("Content-Type") + " " + string(b), err
	}
	if status, _, err := send(t.Context(), "https://a.example.com/", "before"); err != nil || status != http.StatusTeapot || len(o.Requests(HTTPFilter{})) != 0 {
		t.Errorf("before the first answer: %d %v, %+v", status, err, o.Requests(HTTPFilter{}))
	}
	for _, a := range []HTTPAnswer{
		{URL: "https://a.example.com/*", Body: map[string]int{"n": 1}},
		{URL: "https://a.example.com/once", Times: 1, Status: 503, Body: "later", Header: map[string]string{"Content-Type": "text/x"}},
		{URL: "https://a.example.com/nothing", Status: 204},
	} {
		if err := o.Answer(a); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path   string
		status int
		want   string
	}{
		{"once", 503, "text/x later"}, {"once?again", 200, `application/json {"n":1}`}, {"nothing", 204, " "},
	} {
		if status, got, err := send(t.Context(), "https://a.example.com/"+c.path, "x"); err != nil || status != c.status || got != c.want {
			t.Errorf("%s: %d %q %v", c.path, status, got, err)
		}
	}
	if status, _, err := send(t.Context(), "https://b.example.com/", "gone out"); err != nil || status != http.StatusTeapot || out.body != "gone out" {
		t.Errorf("to the network: %d %v, %q", status, err, out.body)
	}
	all := o.Requests(HTTPFilter{})
	if len(all) != 4 || all[0].Answered || all[0].Body != "gone out" || !all[3].Answered {
		t.Errorf("%+v", all)
	}
	if after := o.Requests(HTTPFilter{After: all[1].ID}); len(after) != 1 || after[0].ID != all[0].ID {
		t.Errorf("%+v", after)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := send(ended, "https://a.example.com/", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("of somebody who has gone: %v", err)
	}
	if _, err := o.Wait(ended, HTTPFilter{URL: "https://c.example.com/"}); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for nothing: %v", err)
	}
	for range maxRequests {
		if _, _, err := send(t.Context(), "https://a.example.com/", strings.Repeat("x", 2*maxKeptBody)); err != nil {
			t.Fatal(err)
		}
	}
	if all := o.Requests(HTTPFilter{}); len(all) != maxRequests || len(all[0].Body) != maxKeptBody || time.Since(all[0].Created) > time.Minute {
		t.Errorf("%d requests are kept", len(all))
	}
	for _, bad := range []HTTPAnswer{{}, {URL: "x"}, {URL: "*", Status: 99}, {URL: "*", Times: -1}, {URL: "*", Body: make(chan int)}} {
		if err := o.Answer(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	for range maxAnswers - 2 {
		if err := o.Answer(HTTPAnswer{URL: "*"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Answer(HTTPAnswer{URL: "*"}); err == nil {
		t.Error("answers are not bounded")
	}
	o.Clear()
	if status, _, err := send(t.Context(), "https://a.example.com/", "after"); err != nil || status != http.StatusTeapot || len(o.Requests(HTTPFilter{})) != 0 {
		t.Errorf("after Clear: %d %v", status, err)
	}
}
