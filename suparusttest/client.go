package suparusttest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Client sends requests to the test's server with the headers that a Supabase
// client sends.
type Client struct {
	// HTTP does the requests.
	HTTP *http.Client
	// URL is the base of the APIs.
	URL string
	// Header is sent with every request: apikey and Authorization.
	Header http.Header
}

// Client returns a client with the anon key: what a visitor who has not
// signed in is.
func (s *Server) Client() *Client { return s.client(s.AnonKey, s.AnonKey) }

// ServiceClient returns a client with the service key, which RLS does not bind.
func (s *Server) ServiceClient() *Client { return s.client(s.ServiceKey, s.ServiceKey) }

// ClientAs returns a client that is signed in as u.
func (s *Server) ClientAs(u *User) *Client { return s.client(s.AnonKey, u.AccessToken) }

// ClientWithClaims returns a client with a token of these claims, signed with
// the server's secret. role, aud, iat and exp are added where they are missing.
func (s *Server) ClientWithClaims(tb testing.TB, claims map[string]any) *Client {
	tb.Helper()
	return s.client(s.AnonKey, s.Token(tb, claims))
}

// Token signs a token of these claims as ClientWithClaims does.
func (s *Server) Token(tb testing.TB, claims map[string]any) string {
	tb.Helper()
	now := s.now(tb)
	all := jwt.MapClaims{"role": "authenticated", "aud": "authenticated", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(s.JWTSecret))
	if err != nil {
		tb.Fatalf("suparusttest: sign a token: %v", err)
	}
	return token
}

func (s *Server) client(key, token string) *Client {
	return &Client{
		HTTP:   &http.Client{Transport: s.http, Timeout: time.Minute},
		URL:    s.URL,
		Header: http.Header{"Apikey": {key}, "Authorization": {"Bearer " + token}},
	}
}

// Do sends a request to a path below the base URL. A body that is nil, a
// string, []byte or an io.Reader is sent as it is, anything else as JSON. The
// Content-Type is application/json unless header says otherwise. The answer's
// body has been read when Do returns.
func (c *Client) Do(tb testing.TB, method, path string, body any, header http.Header) *Response {
	tb.Helper()
	outside(tb, method+" "+path)
	reader := bodyReader(tb, body)
	req, err := http.NewRequestWithContext(tb.Context(), method, c.URL+path, reader)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	maps.Copy(req.Header, c.Header)
	if reader != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		tb.Fatalf("suparusttest: %s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatalf("suparusttest: %s %s: read the answer: %v", method, path, err)
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: b, request: method + " " + path}
}

func bodyReader(tb testing.TB, body any) io.Reader {
	tb.Helper()
	switch b := body.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(b)
	case []byte:
		return bytes.NewReader(b)
	case io.Reader:
		return b
	default:
		j, err := json.Marshal(b)
		if err != nil {
			tb.Fatalf("suparusttest: the request body: %v", err)
		}
		return bytes.NewReader(j)
	}
}

// Get is Do with GET.
func (c *Client) Get(tb testing.TB, path string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodGet, path, nil, nil)
}

// Post is Do with POST.
func (c *Client) Post(tb testing.TB, path string, body any) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodPost, path, body, nil)
}

// Patch is Do with PATCH.
func (c *Client) Patch(tb testing.TB, path string, body any) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodPatch, path, body, nil)
}

// Delete is Do with DELETE.
func (c *Client) Delete(tb testing.TB, path string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodDelete, path, nil, nil)
}

// Response is an answer that was read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	request string
}

// WantStatus fails tb at once when the answer has another status, and shows
// the answer.
func (r *Response) WantStatus(tb testing.TB, status int) *Response {
	tb.Helper()
	if r.Status != status {
		tb.Fatalf("%s: status %d, want %d: %s", r.request, r.Status, status, r.Body)
	}
	return r
}

// JSON decodes the body into v.
func (r *Response) JSON(tb testing.TB, v any) *Response {
	tb.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		tb.Fatalf("%s: the answer is no such JSON: %v: %s", r.request, err, r.Body)
	}
	return r
}
