package mail_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/mail"
)

// site is a mailbox that is served.
type site struct {
	*mail.Box
	url string
}

func serve(t *testing.T, change func(*mail.HandlerConfig)) site {
	t.Helper()
	c := mail.HandlerConfig{Box: mail.NewBox(0), Version: "1.2.3"}
	if change != nil {
		change(&c)
	}
	srv := httptest.NewServer(mail.NewHandler(c))
	t.Cleanup(srv.Close)
	return site{c.Box, srv.URL}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s site) do(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

func (s site) get(t *testing.T, path string) answer { return s.do(t, http.MethodGet, path, "") }

// later gets a path beside the test.
func (s site) later(t *testing.T, path string) <-chan answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan answer, 1)
	go func() {
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			got <- answer{body: err.Error()}
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body) // what is missing fails the test
		got <- answer{res.StatusCode, res.Header, string(b)}
	}()
	return got
}

// is checks status, type and text of an answer.
func (a answer) is(t *testing.T, status int, contentType, body string) {
	t.Helper()
	if a.status != status || a.header.Get("Content-Type") != contentType || a.body != body {
		t.Errorf("got %d %q %q\nwant %d %q %q", a.status, a.header.Get("Content-Type"), a.body, status, contentType, body)
	}
}

func decode[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Fatalf("got %d %q %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

type list struct {
	Total, Unread, Count, Start int
	MessagesCount               int `json:"messages_count"`
	MessagesUnread              int `json:"messages_unread"`
	Tags                        []string
	Messages                    []struct {
		ID, MessageID, Subject, Snippet string
		Read                            bool
		From                            struct{ Name, Address string }
		To                              []struct{ Name, Address string }
		Size                            int
	}
}

func (l list) subjects() string {
	var s []string
	for _, m := range l.Messages {
		s = append(s, m.Subject)
	}
	return strings.Join(s, " ")
}

func fill(s site, n int) []mail.Message {
	var out []mail.Message
	for i := range n {
		out = append(out, s.Deliver(mail.Message{
			From: mail.Address{Name: "Admin", Address: "admin@example.com"}, To: fmt.Sprintf("user%d@example.com", i%2),
			Subject: fmt.Sprintf("m%d", i), Text: "hello", HTML: "<p>hello <b>you</b></p>",
			Created: time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC), Tags: []string{"recovery"},
		}))
	}
	return out
}

//covers:auth 150
func TestMailpitLists(t *testing.T) {
	s := serve(t, nil)
	s.get(t, "/api/v1/messages").is(t, 200, "application/json",
		`{"total":0,"unread":0,"count":0,"messages_count":0,"messages_unread":0,"start":0,"tags":[],"messages":[]}`+"\n")
	messages := fill(s, 5)
	got := decode[list](t, s.get(t, "/api/v1/messages"))
	if got.subjects() != "m4 m3 m2 m1 m0" || got.Total != 5 || got.Unread != 5 || got.MessagesCount != 5 || got.Count != 5 || got.Tags[0] != "recovery" {
		t.Errorf("%+v", got)
	}
	if m := got.Messages[0]; m.From.Name != "Admin" || m.To[0].Address != "user0@example.com" || m.Snippet != "hello you" || m.Size != len(messages[4].Raw) || m.Read {
		t.Errorf("%+v", m)
	}
	for path, want := range map[string]string{
		"/api/v1/messages?limit=2":                                 "m4 m3",
		"/api/v1/messages?limit=2&start=1":                         "m3 m2",
		"/api/v1/messages?start=9":                                 "",
		"/api/v1/messages?limit=0":                                 "m4 m3 m2 m1 m0",
		"/api/v1/messages?limit=x&start=-1":                        "m4 m3 m2 m1 m0",
		"/api/v1/messages?before=2026-01-02T03:04:02Z":             "m1 m0",
		"/api/v1/search?query=to:user1@example.com":                "m3 m1",
		"/api/v1/search?query=to:user0@example.com&limit=1":        "m4",
		"/api/v1/search?query=to:user0@example.com&start=1":        "m2 m0",
		"/api/v1/search?query=subject:m2%20from:admin@example.com": "m2",
		"/api/v1/search?query=-to:user1":                           "m4 m2 m0",
		"/api/v1/search?query=%22hello+you%22&limit=0":             "",
	} {
		if got := decode[list](t, s.get(t, path)); got.subjects() != want {
			t.Errorf("%s: %s, want %s", path, got.subjects(), want)
		}
	}
	if got := decode[list](t, s.get(t, "/api/v1/search?query=to:user1&limit=1")); got.Total != 5 || got.MessagesCount != 2 || got.MessagesUnread != 2 || got.Count != 1 {
		t.Errorf("%+v", got)
	}
	s.get(t, "/api/v1/search?query=%20").is(t, 400, "text/plain", "Error: no search query")
}

//covers:auth 150
func TestMailpitMessages(t *testing.T) {
	s := serve(t, nil)
	for _, path := range []string{"/api/v1/message/latest", "/api/v1/message/latest/raw", "/view/latest.html"} {
		if a := s.get(t, path); a.status != 404 || a.body != "Message not found" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	s.get(t, "/api/v1/message/nothing").is(t, 404, "text/plain", "404 page not found")
	messages := fill(s, 3)
	m := messages[1]
	full := decode[map[string]any](t, s.get(t, "/api/v1/message/"+m.ID))
	for _, key := range strings.Fields("ID MessageID From To Cc Bcc ReplyTo ReturnPath Subject ListUnsubscribe Date Tags Username Text HTML Size Inline Attachments") {
		if _, ok := full[key]; !ok {
			t.Errorf("%s is missing", key)
		}
	}
	if full["Subject"] != "m1" || full["HTML"] != m.HTML || full["Text"] != "hello" || full["Date"] != "2026-01-02T03:04:01Z" || full["ReturnPath"] != "admin@example.com" {
		t.Errorf("%v", full)
	}
	if got := decode[list](t, s.get(t, "/api/v1/search?query=is:read")); got.subjects() != "m1" || got.Unread != 2 {
		t.Errorf("reading marks as read: %+v", got)
	}
	if got := decode[map[string]any](t, s.get(t, "/api/v1/message/latest")); got["Subject"] != "m2" {
		t.Errorf("latest is %v", got["Subject"])
	}
	if got := decode[map[string]any](t, s.get(t, "/api/v1/message/latest?query=subject:m0")); got["Subject"] != "m0" {
		t.Errorf("latest of a search is %v", got["Subject"])
	}
	header := decode[map[string][]string](t, s.get(t, "/api/v1/message/"+m.ID+"/headers"))
	if header["Subject"][0] != "m1" || header["Message-Id"][0] != "<"+m.MessageID+">" {
		t.Errorf("%v", header)
	}
	s.get(t, "/api/v1/message/"+m.ID+"/raw").is(t, 200, "text/plain; charset=utf-8", string(m.Raw))
	if a := s.get(t, "/api/v1/message/latest/raw?dl=1"); a.header.Get("Content-Disposition") != `attachment; filename="`+messages[2].ID+`.eml"` {
		t.Errorf("%v", a.header)
	}
	s.get(t, "/view/"+m.ID+".txt").is(t, 200, "text/plain; charset=utf-8", "hello")
	s.get(t, "/view/"+m.ID+".html").is(t, 200, "text/html; charset=utf-8", m.HTML)
	if a := s.get(t, "/view/latest"); a.status != 302 || a.header.Get("Location") != "/view/"+messages[2].ID {
		t.Errorf("%d %v", a.status, a.header)
	}
	s.Deliver(mail.Message{To: "a@b.c", Text: "plain"})
	if a := s.get(t, "/view/latest.html"); a.status != 404 || a.body != "This message does not contain a HTML part" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

//covers:auth 150
func TestMailpitChanges(t *testing.T) {
	s := serve(t, nil)
	messages := fill(s, 6)
	unread := func() string { return decode[list](t, s.get(t, "/api/v1/search?query=is:unread")).subjects() }
	put := func(body string) answer { return s.do(t, http.MethodPut, "/api/v1/messages", body) }
	put(`{"IDs":["`+messages[0].ID+`"],"Read":true}`).is(t, 200, "text/plain", "ok")
	if unread() != "m5 m4 m3 m2 m1" {
		t.Errorf("unread: %s", unread())
	}
	put(`{"Search":"to:user1","Read":true}`).is(t, 200, "text/plain", "ok")
	if unread() != "m4 m2" {
		t.Errorf("unread: %s", unread())
	}
	put(`{"Read":true}`).is(t, 200, "text/plain", "ok")
	put(`{"IDs":["`+messages[3].ID+`"],"Read":false}`).is(t, 200, "text/plain", "ok")
	if unread() != "m3" {
		t.Errorf("unread: %s", unread())
	}
	put(`{"IDs":["x"],"Search":"y"}`).is(t, 400, "text/plain", "You may specify either IDs or a search query, not both")
	put(`nonsense`).is(t, 400, "text/plain", "invalid character 'o' in literal null (expecting 'u')")

	s.do(t, http.MethodDelete, "/api/v1/messages", `{"IDs":["`+messages[5].ID+`","`+messages[0].ID+`"]}`).is(t, 200, "text/plain", "ok")
	s.do(t, http.MethodDelete, "/api/v1/search?query=subject:m2", "").is(t, 200, "text/plain", "ok")
	s.do(t, http.MethodDelete, "/api/v1/search", "").is(t, 400, "text/plain", "Error: no search query")
	if got := decode[list](t, s.get(t, "/api/v1/messages")); got.subjects() != "m4 m3 m1" {
		t.Errorf("left: %s", got.subjects())
	}
	info := decode[struct {
		Version          string
		Messages, Unread int
		Tags             map[string]int
		RuntimeStats     struct{ MessagesDeleted int }
	}](t, s.get(t, "/api/v1/info"))
	if info.Version != "1.2.3" || info.Messages != 3 || info.Unread != 1 || info.Tags["recovery"] != 3 || info.RuntimeStats.MessagesDeleted != 3 {
		t.Errorf("%+v", info)
	}
	s.get(t, "/api/v1/tags").is(t, 200, "application/json", "[\"recovery\"]\n")
	s.do(t, http.MethodDelete, "/api/v1/messages", "").is(t, 200, "text/plain", "ok")
	if got := decode[list](t, s.get(t, "/api/v1/messages")); got.Total != 0 {
		t.Errorf("left: %+v", got)
	}
}

// TestLongPoll: with wait a request is answered when the message comes, or
// empty when the time is up.
func TestLongPoll(t *testing.T) {
	s := serve(t, nil)
	for path, want := range map[string]string{
		"/api/v1/messages?wait=20s":                       "m",
		"/api/v1/search?query=to:me@example.com&wait=20s": "me",
	} {
		s.Delete()
		got := s.later(t, path)
		if want == "me" { // not this one
			s.Deliver(mail.Message{To: "you@example.com", Subject: "you"})
		}
		s.Deliver(mail.Message{To: "me@example.com", Subject: want})
		if got := decode[list](t, <-got).subjects(); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	s.Delete()
	began := time.Now()
	if got := decode[list](t, s.get(t, "/api/v1/search?query=to:nobody&wait=50ms")); len(got.Messages) != 0 || time.Since(began) < 50*time.Millisecond {
		t.Errorf("%+v after %s", got, time.Since(began))
	}
	if a := s.get(t, "/api/v1/message/latest?query=to:nobody&wait=0.05"); a.status != 404 {
		t.Errorf("%d %s", a.status, a.body)
	}
	got := s.later(t, "/api/v1/mailbox/late?wait=20s")
	s.Deliver(mail.Message{To: "late@example.com"})
	if a := <-got; !strings.Contains(a.body, "late@example.com") {
		t.Errorf("%s", a.body)
	}
}

// TestOnlyThePagesOfTheMailboxMayAsk: what a browser says of another origin is
// refused, unless it is named.
func TestOnlyThePagesOfTheMailboxMayAsk(t *testing.T) {
	s := serve(t, func(c *mail.HandlerConfig) { c.Origins = []string{"http://localhost:3000"} })
	fill(s, 1)
	for _, path := range []string{"/api/v1/messages", "/view/latest.html", "/api/v1/mailbox/user0"} {
		if a := s.do(t, http.MethodGet, path, "", "Origin", "https://evil.test"); a.status != 403 || strings.TrimSpace(a.body) != "Blocked due to CORS violation" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		for _, origin := range []string{s.url, "http://localhost:3000"} {
			a := s.do(t, http.MethodGet, path, "", "Origin", origin)
			if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != origin || a.header.Get("Access-Control-Allow-Headers") != "*" ||
				a.header.Get("Access-Control-Allow-Methods") != "GET, POST, DELETE, PUT, OPTIONS" {
				t.Errorf("%s of %s: %d %v", path, origin, a.status, a.header)
			}
		}
	}
	if a := s.do(t, http.MethodDelete, "/api/v1/messages", "", "Origin", "null"); a.status != 403 {
		t.Errorf("a page without an origin deletes: %d", a.status)
	}
	if a := s.do(t, http.MethodOptions, "/api/v1/messages", "", "Origin", "http://localhost:3000"); a.status != 200 || a.body != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestMailsRunNothing: whatever a mail holds, its page is sandboxed and the
// mailbox's own escape it.
func TestMailsRunNothing(t *testing.T) {
	const evil = `<script>alert(1)</script><img src=x onerror=alert(2)>`
	s := serve(t, nil)
	m := s.Deliver(mail.Receive("a@b.c", []string{"x@y.z"}, []byte("From: "+evil+"\r\nSubject: "+evil+"\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"+
		"--x\r\nContent-Type: text/html\r\n\r\n"+evil+"<a href=\"javascript:alert(3)\">token</a><img src=\"cid:pic\">\r\n"+
		"--x\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"<b>.html\"\r\nContent-ID: <pic>\r\n\r\n"+evil+"\r\n--x--")))
	for _, path := range []string{"/", "/?query=x", "/view/" + m.ID} {
		a := s.get(t, path)
		if a.status != 200 || a.header.Get("Content-Type") != "text/html; charset=utf-8" || strings.Contains(a.body, "<script>") || strings.Contains(a.body, "<img") || strings.Contains(a.body, "javascript:") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
		if p := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'") || !strings.Contains(p, "script-src 'self';") {
			t.Errorf("%s: policy %q", path, p)
		}
	}
	if a := s.get(t, "/view/"+m.ID); !strings.Contains(a.body, `sandbox="allow-popups allow-popups-to-escape-sandbox" src="/view/`+m.ID+`.html?embed=1"`) {
		t.Errorf("no sandbox: %s", a.body)
	}
	mailPage := s.get(t, "/view/"+m.ID+".html")
	if !strings.Contains(mailPage.body, `src="/api/v1/message/`+m.ID+`/part/2"`) {
		t.Errorf("the picture is not linked: %s", mailPage.body)
	}
	for _, a := range []answer{mailPage, s.get(t, "/view/"+m.ID+".html?embed=1"), s.get(t, "/api/v1/message/"+m.ID+"/part/2")} {
		p := a.header.Get("Content-Security-Policy")
		if a.status != 200 || !strings.HasPrefix(p, "sandbox ") || strings.Contains(p, "allow-scripts") || strings.Contains(p, "allow-same-origin") || !strings.Contains(p, "script-src 'none'") {
			t.Errorf("%d policy %q of %s", a.status, p, a.body)
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", a.header)
		}
	}
	if a := s.get(t, "/mailbox.js"); a.status != 200 || !strings.Contains(a.header.Get("Content-Type"), "javascript") {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestThePageListsAndFinds(t *testing.T) {
	s := serve(t, nil)
	if a := s.get(t, "/"); !strings.Contains(a.body, "No message yet") {
		t.Errorf("%s", a.body)
	}
	fill(s, 2)
	s.Deliver(mail.Message{Kind: mail.SMS, To: "15550100", Text: "Your code is 012345", Code: "012345"})
	if a := s.get(t, "/"); !strings.Contains(a.body, "user1@example.com") || !strings.Contains(a.body, ">SMS <") || !strings.Contains(a.body, "15550100") {
		t.Errorf("%s", a.body)
	}
	if a := s.get(t, "/?query=to:user1"); !strings.Contains(a.body, "user1@example.com") || strings.Contains(a.body, "user0@example.com") || !strings.Contains(a.body, "Delete found") {
		t.Errorf("%s", a.body)
	}
	if a := s.get(t, "/?query=nothing"); !strings.Contains(a.body, "No message matches") {
		t.Errorf("%s", a.body)
	}
	if a := s.get(t, "/view/latest"); a.status != 302 {
		t.Fatalf("%d", a.status)
	} else if a := s.get(t, a.header.Get("Location")); !strings.Contains(a.body, "<strong>012345</strong>") {
		t.Errorf("%s", a.body)
	}
	if a := s.get(t, "/nothing"); a.status != 404 {
		t.Errorf("%d", a.status)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if a := s.get(t, path); a.status != 200 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

//covers:auth 151
func TestInbucket(t *testing.T) {
	s := serve(t, nil)
	messages := fill(s, 4)
	s.get(t, "/api/v1/mailbox/nobody").is(t, 200, "application/json; charset=utf-8", "[]\n")
	type head struct {
		Mailbox, ID, From, Subject, Date string
		To                               []string
		PosixMillis                      int64 `json:"posix-millis"`
		Size                             int
		Seen                             bool
	}
	for _, name := range []string{"user1", "USER1", "user1@example.com", "user1+tag"} {
		got := decode[[]head](t, s.get(t, "/api/v1/mailbox/"+name))
		if len(got) != 2 || got[0].Subject != "m1" || got[1].Subject != "m3" {
			t.Fatalf("%s: %+v", name, got)
		}
		if h := got[0]; h.Mailbox != "user1" || h.ID != messages[1].ID || h.From != "Admin <admin@example.com>" || h.To[0] != "<user1@example.com>" ||
			h.Date != "2026-01-02T03:04:01Z" || h.PosixMillis != messages[1].Created.UnixMilli() || h.Size != len(messages[1].Raw) || h.Seen {
			t.Errorf("%+v", h)
		}
	}
	id := messages[1].ID
	full := decode[struct {
		head
		Body        struct{ Text, HTML string }
		Header      map[string][]string
		Attachments []any
	}](t, s.get(t, "/api/v1/mailbox/user1/"+id))
	if full.Body.Text != "hello" || full.Body.HTML != messages[1].HTML || full.Header["Subject"][0] != "m1" || full.Attachments == nil {
		t.Errorf("%+v", full)
	}
	if got := decode[head](t, s.get(t, "/api/v1/mailbox/user1/latest")); got.Subject != "m3" {
		t.Errorf("latest %+v", got)
	}
	s.get(t, "/api/v1/mailbox/user1/"+id+"/source").is(t, 200, "text/plain", string(messages[1].Raw))
	s.get(t, "/api/v1/mailbox/user0/"+id).is(t, 404, "text/plain; charset=utf-8", "404 page not found\n")
	s.do(t, http.MethodPatch, "/api/v1/mailbox/user1/"+id, `{"seen":true}`).is(t, 200, "application/json; charset=utf-8", "\"OK\"\n")
	if got := decode[[]head](t, s.get(t, "/api/v1/mailbox/user1")); !got[0].Seen || got[1].Seen {
		t.Errorf("%+v", got)
	}
	s.do(t, http.MethodDelete, "/api/v1/mailbox/user1/"+id, "").is(t, 200, "application/json; charset=utf-8", "\"OK\"\n")
	s.do(t, http.MethodDelete, "/api/v1/mailbox/user1/"+id, "").is(t, 404, "text/plain; charset=utf-8", "404 page not found\n")
	s.do(t, http.MethodDelete, "/api/v1/mailbox/user0", "").is(t, 200, "application/json; charset=utf-8", "\"OK\"\n")
	if got := s.List(mail.Filter{}); len(got) != 1 || got[0].Subject != "m3" {
		t.Errorf("left %+v", got)
	}
	s.Deliver(mail.Message{Kind: mail.SMS, To: "15550100", Text: "hi"})
	if got := decode[[]head](t, s.get(t, "/api/v1/mailbox/+15550100")); len(got) != 1 {
		t.Errorf("a number's messages: %+v", got)
	}
}
