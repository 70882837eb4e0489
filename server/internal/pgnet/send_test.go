package pgnet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/httpx"
)

// other is a server that misbehaves in the way that the path names.
func other(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	say := func(text string) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}
	switch path := r.URL.Path; {
	case path == "/nothing":
		say("")
	case path == "/weird":
		say("HTTP/1.1 200 OK\r\nA B C\r\n\r\n")
	case path == "/names":
		say("HTTP/1.1 103 Early Hints\r\nLink: none\r\n\r\nHTTP/1.1 200 OK\r\nMissingValue: \r\nSpaces In Header Name: a b\r\n" +
			"ETag: \"1\"\r\nx-twice: 1\r\nx-twice: 2\r\nX-Twice: 3\r\nConnection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nA: b\r\n0\r\n\r\n")
	case path == "/garbage":
		say("good day\r\n\r\n")
	case path == "/head":
		w.Header().Set("X-Big", strings.Repeat("a", 301<<10))
	case path == "/length":
		say("HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n")
	case path == "/half":
		say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
	case path == "/slow":
		<-r.Context().Done()
	case path == "/slowbody":
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case path == "/big":
		_, _ = w.Write(make([]byte, maxAnswer+1))
	case path == "/bytes":
		w.Header().Set("X-Odd", "a\xffb")
		w.Header()["X-Twice"] = []string{"1", "2"}
		w.Header()["Content-Type"] = nil
		_, _ = w.Write([]byte("a\xffb\x00c"))
	case path == "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
	case path == "/ftp":
		w.Header().Set("Location", "ftp://127.0.0.1/")
		w.WriteHeader(http.StatusFound)
	case path == "/bad":
		w.Header().Set("Location", "http://[")
		w.WriteHeader(http.StatusFound)
	case path == "/304":
		w.WriteHeader(http.StatusNotModified)
	case strings.HasPrefix(path, "/to/"):
		var status int
		_, _ = fmt.Sscanf(path, "/to/%d", &status)
		w.Header().Set("Location", r.URL.Query().Get("at"))
		w.Header().Set("X-First", "yes")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "moved")
	default:
		user, password, _ := r.BasicAuth()
		w.Header().Set("X-Last", "yes")
		fmt.Fprintf(w, "%s %s %q %s:%s auth=%v type=%s host=%v", r.Method, r.URL.Path, body, user, password, r.Header.Get("Authorization") != "", r.Header.Get("Content-Type"), r.Host == "other.test")
	}
}

func text(p *string) string {
	if p == nil {
		return "∅"
	}
	return *p
}

// TestSend shows what becomes of a request, in the words of libcurl where it is
// an error.
func TestSend(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(other))
	t.Cleanup(srv.Close)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(other))
	secure.Config.ErrorLog = nil
	secure.StartTLS()
	t.Cleanup(secure.Close)
	second := httptest.NewServer(http.HandlerFunc(other))
	t.Cleanup(second.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String() + "/"
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	via := httpx.NewTransport()
	t.Cleanup(via.CloseIdleConnections)

	post := `{"Content-Type": "application/json", "Authorization": "Bearer x"}`
	for name, c := range map[string]struct {
		method, url, headers, body string
		want                       string
	}{
		"get":                   {"GET", "/a", "", "", `200 GET /a "" : auth=false type= host=false`},
		"lower case":            {"get", "/a", `{}`, "", `200 GET /a "" : auth=false type= host=false`},
		"post":                  {"POST", "/a", post, `{"a": 1}`, `200 POST /a "{\"a\": 1}" : auth=true type=application/json host=false`},
		"post of nothing":       {"POST", "/a", "", "", `200 POST /a "" : auth=false type=application/x-www-form-urlencoded host=false`},
		"delete":                {"DELETE", "/a", "", "", `200 DELETE /a "" : auth=false type= host=false`},
		"delete with a body":    {"DELETE", "/a", post, "{}", `200 DELETE /a "{}" : auth=true type=application/json host=false`},
		"headers of no object":  {"GET", "/a", `[1]`, "", `200 GET /a "" : auth=false type= host=false`},
		"host":                  {"GET", "/a", `{"host": "other.test"}`, "", `200 GET /a "" : auth=false type= host=true`},
		"user in the URL":       {"GET", "user:/a", "", "", `200 GET /a "" ann:secret auth=true type= host=false`},
		"no content":            {"GET", "/304", "", "", `304 ∅`},
		"bytes":                 {"GET", "/bytes", "", "", "200 a\uFFFDb"},
		"301 of a post":         {"POST", "/to/301?at=/b", post, "{}", `200 GET /b "" : auth=true type=application/json host=false`},
		"303 of a post":         {"POST", "/to/303?at=/b", post, "{}", `200 GET /b "" : auth=true type=application/json host=false`},
		"307 of a post":         {"POST", "/to/307?at=/b", post, "{}", `200 POST /b "{}" : auth=true type=application/json host=false`},
		"308 of a delete":       {"DELETE", "/to/308?at=/b", post, "{}", `200 DELETE /b "{}" : auth=true type=application/json host=false`},
		"302 of a delete":       {"DELETE", "/to/302?at=/b", post, "{}", `200 DELETE /b "" : auth=true type=application/json host=false`},
		"redirect elsewhere":    {"GET", "/to/302?at=" + second.URL + "/b", post, "", `200 GET /b "" : auth=false type=application/json host=false`},
		"redirect without goal": {"GET", "/to/302", "", "", `302 moved`},
		"redirects for ever":    {"GET", "/loop", "", "", "error Number of redirects hit maximum amount"},
		"redirect to ftp":       {"GET", "/ftp", "", "", "error Unsupported protocol"},
		"redirect to nowhere":   {"GET", "/bad", "", "", "error URL using bad/illegal format or missing URL"},
		"refused":               {"GET", closed, "", "", "error Could not connect to server"},
		"unknown name":          {"GET", "http://no-such-host.invalid/", "", "", "error Could not resolve hostname"},
		"nothing":               {"POST", "/nothing", "", "", "error Server returned nothing (no headers, no data)"},
		"weird":                 {"GET", "/weird", "", "", "error Weird server reply"},
		"garbage":               {"GET", "/garbage", "", "", "error Unsupported protocol"},
		"long header":           {"GET", "/head", "", "", "error Failure when receiving data from the peer"},
		"no length":             {"GET", "/length", "", "", "error Weird server reply"},
		"302 of an own type":    {"DELETE", "/to/302?at=/b", "", "{}", `200 DELETE /b "" : auth=false type= host=false`},
		"half":                  {"GET", "/half", "", "", "error Transferred a partial file"},
		"too big":               {"GET", "/big", "", "", "error Maximum file size exceeded"},
		"unknown certificate":   {"GET", secure.URL, "", "", "error SSL peer certificate or SSH remote key was not OK"},
		"no TLS":                {"GET", strings.Replace(srv.URL, "http", "https", 1), "", "", "error SSL connect error"},
		"another protocol":      {"GET", "ftp://127.0.0.1/", "", "", "error Unsupported protocol"},
		"no URL":                {"GET", "http://a b/", "", "", "error URL using bad/illegal format or missing URL"},
		"no host":               {"GET", "http:///a", "", "", "error URL using bad/illegal format or missing URL"},
		"header with a line":    {"GET", "/a", `{"X": "a\r\nB: c"}`, "", "error A libcurl function was given a bad argument"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &request{id: 9, method: c.method, url: c.url, timeout: 10_000}
			if path, ok := strings.CutPrefix(c.url, "user:"); ok {
				r.url = strings.Replace(srv.URL, "//", "//ann:secret@", 1) + path
			} else if strings.HasPrefix(c.url, "/") {
				r.url = srv.URL + c.url
			}
			if c.headers != "" {
				r.headers = &c.headers
			}
			if c.body != "" {
				r.body = []byte(c.body)
			}
			res, canceled := send(t.Context(), via, r)
			if canceled || res.id != 9 {
				t.Fatalf("got %+v", res)
			}
			got := "error " + text(res.errorMsg)
			if res.errorMsg == nil {
				got = fmt.Sprintf("%d %s", *res.status, text(res.content))
			} else if res.status != nil || res.headers != nil || res.content != nil || res.timedOut {
				t.Errorf("an error with %+v", res)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			switch name {
			case "301 of a post":
				if !strings.Contains(*res.headers, `"X-First":"yes"`) || strings.Contains(*res.headers, "X-Last") {
					t.Errorf("headers: %s", *res.headers)
				}
				if text(res.contentType) != "text/plain; charset=utf-8" {
					t.Errorf("type: %s", text(res.contentType))
				}
			case "bytes":
				if !strings.Contains(*res.headers, `"X-Odd":"a`+"\uFFFD"+`b"`) || !strings.Contains(*res.headers, `"X-Twice":"2"`) || res.contentType != nil {
					t.Errorf("headers: %s, type %s", *res.headers, text(res.contentType))
				}
			}
		})
	}
}

var timedOut = regexp.MustCompile(`^Timeout of 300 ms reached\. Total time: ([0-9.]+) ms \(DNS time: ([0-9.]+) ms, TCP/SSL handshake time: ([0-9.]+) ms, HTTP Request/Response time: ([0-9.]+) ms\)$`)

// TestTimeout tells in which step the time ran out.
func TestTimeout(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(other))
	t.Cleanup(srv.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it never answers a handshake
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	via := httpx.NewTransport()
	t.Cleanup(via.CloseIdleConnections)
	for name, c := range map[string]struct {
		url  string
		step int // that took the time
	}{
		"answer":    {srv.URL + "/slow", 4},
		"body":      {srv.URL + "/slowbody", 4},
		"handshake": {"https://" + silent.Addr().String(), 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, canceled := send(t.Context(), via, &request{id: 1, method: "GET", url: c.url, timeout: 300})
			if canceled || !res.timedOut || res.status != nil {
				t.Fatalf("got %+v", res)
			}
			m := timedOut.FindStringSubmatch(text(res.errorMsg))
			if m == nil {
				t.Fatal(text(res.errorMsg))
			}
			var total, step float64
			_, _ = fmt.Sscan(m[1], &total)
			_, _ = fmt.Sscan(m[c.step], &step)
			if total < 300 || step < total/2 {
				t.Errorf("step %d took %v: %s", c.step, step, m[0])
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, canceled := send(ctx, via, &request{method: "GET", url: srv.URL}); !canceled {
		t.Error("a request that was given up has a response")
	}
	if (&request{}).patience() != maxTimeout || (&request{timeout: -1}).patience() != maxTimeout || (&request{timeout: 1<<31 - 1}).patience() != maxTimeout {
		t.Error("a request without a timeout is not bounded")
	}
}

// TestNames: headers are written down with the names that they have on the way.
func TestNames(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(other))
	t.Cleanup(plain.Close)
	oldTLS := httptest.NewTLSServer(http.HandlerFunc(other))
	t.Cleanup(oldTLS.Close)
	newTLS := httptest.NewUnstartedServer(http.HandlerFunc(other))
	newTLS.EnableHTTP2 = true
	newTLS.StartTLS()
	t.Cleanup(newTLS.Close)
	via := httpx.NewTransport()
	t.Cleanup(via.CloseIdleConnections)
	via.TLSClientConfig = oldTLS.Client().Transport.(*http.Transport).TLSClientConfig // of one certificate with newTLS
	const odd = `{"Connection":"close","ETag":"\"1\"","MissingValue":"","Spaces In Header Name":"a b","X-Twice":"3","transfer-encoding":"chunked","x-twice":"2"}`
	for url, want := range map[string]string{
		plain.URL + "/names":   odd,
		oldTLS.URL + "/names":  odd,
		oldTLS.URL + "/bytes":  `{"Content-Length":"5","X-Odd":"a�b","X-Twice":"2"}`,
		newTLS.URL + "/bytes":  `{"content-length":"5","x-odd":"a�b","x-twice":"2"}`,
		plain.URL + "/to/302":  `{"Content-Length":"5","Content-Type":"text/plain; charset=utf-8","Location":"","X-First":"yes"}`,
		newTLS.URL + "/to/302": `{"content-length":"5","content-type":"text/plain; charset=utf-8","location":"","x-first":"yes"}`,
	} {
		for range 2 { // the second may come over the connection of the first
			res, _ := send(t.Context(), via, &request{method: "GET", url: url, timeout: 10_000})
			if res.errorMsg != nil {
				t.Fatalf("%s: %s", url, text(res.errorMsg))
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(*res.headers), &got); err != nil {
				t.Fatal(err)
			}
			delete(got, "Date")
			delete(got, "date")
			if all, err := json.Marshal(got); err != nil || string(all) != want {
				t.Errorf("%s: %s, want %s", url, all, want)
			}
		}
	}
}

// TestHeader adds what libcurl adds.
func TestHeader(t *testing.T) {
	t.Parallel()
	for headers, want := range map[string]string{
		`{}`:                               "map[Accept:[*/*] User-Agent:[pg_net/0.20.4]]",
		`{"accept": null, "X-Null": null}`: "map[Accept:[*/*] User-Agent:[pg_net/0.20.4]]",
		`{"accept": "", "X-Empty": " "}`:   "map[User-Agent:[pg_net/0.20.4]]",
		`{"Accept": "text/html", "X-A": 1, "X-B": {"c": true}}`: `map[Accept:[text/html] User-Agent:[pg_net/0.20.4] X-A:[1] X-B:[{"c": true}]]`,
	} {
		if got := fmt.Sprint((&request{method: "GET", headers: &headers}).header()); got != want {
			t.Errorf("%s: %s, want %s", headers, got, want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a": null, "A": 1}`, `[1]`, `{"\u0000": "\n"}`, `{"Host": {"a": []}}`} {
		f.Add(seed, "POST")
	}
	f.Fuzz(func(t *testing.T, headers, method string) {
		h := (&request{method: method, headers: &headers}).header()
		for name, values := range h {
			if len(values) != 1 || strings.TrimSpace(values[0]) == "" {
				t.Errorf("%q: %q", name, values)
			}
		}
	})
}
