package storage_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/storage"
)

const (
	s3Key    = "625729a08b95bf1b7ff351a663f3a23c"
	s3Secret = "850181e4652dd023b7a98c58ae0d2d34bd487ee0cc3254aed6eda37307425907"
)

// s3Client signs requests of the S3 protocol, on its own terms.
type s3Client struct {
	t                  testing.TB
	a                  *api
	key, secret, token string
	region             string
}

// startS3 is start with the keys of the local stack.
func startS3(t testing.TB, changes ...func(*storage.Config)) (*api, *s3Client) {
	var a *api
	a = start(t, append([]func(*storage.Config){func(c *storage.Config) {
		c.S3 = storage.S3Config{AccessKeyID: s3Key, SecretAccessKey: s3Secret, SessionSecrets: func() []string { return []string{a.anon} }}
	}}, changes...)...)
	return a, &s3Client{t: t, a: a, key: s3Key, secret: s3Secret, region: "local"}
}

// as is the client of a user's session.
func (c *s3Client) as(token string) *s3Client {
	other := *c
	other.key, other.secret, other.token = "project-ref", c.a.anon, token
	return &other
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// escape is the percent-encoding that signatures are made over.
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~").Replace(url.QueryEscape(s))
}

func escapePath(s string) string { return strings.ReplaceAll(escape(s), "%2F", "/") }

func (c *s3Client) signingKey(day string) []byte {
	return hmacOf(hmacOf(hmacOf(hmacOf([]byte("AWS4"+c.secret), day), c.region), "s3"), "aws4_request")
}

func (c *s3Client) scope(day string) string { return day + "/" + c.region + "/s3/aws4_request" }

// signature of a canonical request.
func (c *s3Client) signature(date, method, path string, q url.Values, h map[string]string, payload string) (signed, signature string) {
	var query []string
	for name, values := range q {
		for _, v := range values {
			query = append(query, escape(name)+"="+escape(v))
		}
	}
	slices.Sort(query)
	var names []string
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	canonical := method + "\n" + path + "\n" + strings.Join(query, "&") + "\n"
	for _, name := range names {
		canonical += name + ":" + strings.TrimSpace(h[name]) + "\n"
	}
	signed = strings.Join(names, ";")
	canonical += "\n" + signed + "\n" + payload
	text := "AWS4-HMAC-SHA256\n" + date + "\n" + c.scope(date[:8]) + "\n" + hash([]byte(canonical))
	return signed, hex.EncodeToString(hmacOf(c.signingKey(date[:8]), text))
}

// request is a signed request. payload "" is the hash of body.
func (c *s3Client) request(method, path string, q url.Values, hs headers, body []byte, payload string) *http.Request {
	c.t.Helper()
	base, err := url.Parse(c.a.url)
	if err != nil {
		c.t.Fatal(err)
	}
	full := base.Path + "/s3" + escapePath(path)
	target := base.Scheme + "://" + base.Host + full
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if payload == "" {
		payload = hash(body)
	}
	date := time.Now().UTC().Format("20060102T150405Z")
	signedHeaders := map[string]string{"host": base.Host, "x-amz-date": date, "x-amz-content-sha256": payload}
	for name, value := range hs {
		signedHeaders[strings.ToLower(name)] = value
	}
	if c.token != "" {
		signedHeaders["x-amz-security-token"] = c.token
	}
	signed, signature := c.signature(date, method, full, q, signedHeaders, payload)
	for name, value := range signedHeaders {
		if name != "host" {
			r.Header.Set(name, value)
		}
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", c.key, c.scope(date[:8]), signed, signature))
	return r
}

func (c *s3Client) send(r *http.Request) answer {
	c.t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: string(body)}
}

// do signs in the header and sends. query is as in a URL.
func (c *s3Client) do(method, path, query, body string, hs ...headers) answer {
	c.t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		c.t.Fatal(err)
	}
	all := headers{}
	for _, h := range hs {
		for name, value := range h {
			all[name] = value
		}
	}
	return c.send(c.request(method, path, q, all, []byte(body), ""))
}

// ok is do, which must succeed with this status.
func (c *s3Client) ok(status int, method, path, query, body string, hs ...headers) answer {
	c.t.Helper()
	r := c.do(method, path, query, body, hs...)
	if r.status != status {
		c.t.Fatalf("%s %s?%s: %d %s", method, path, query, r.status, r.body)
	}
	return r
}

// raw is the head of an answer as it comes.
func (c *s3Client) raw(method, path string) string {
	c.t.Helper()
	r := c.request(method, path, nil, nil, nil, "")
	conn, err := net.Dial("tcp", r.URL.Host)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	r.Header.Set("Connection", "close")
	if err := r.Write(conn); err != nil {
		c.t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		c.t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(all), "\r\n\r\n")
	return head + "\r\n"
}

// presign is the URL of a request that anyone may send for a while.
func (c *s3Client) presign(method, path string, life string, at time.Time) string {
	base, err := url.Parse(c.a.url)
	if err != nil {
		c.t.Fatal(err)
	}
	full := base.Path + "/s3" + escapePath(path)
	date := at.UTC().Format("20060102T150405Z")
	q := url.Values{
		"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {c.key + "/" + c.scope(date[:8])}, "X-Amz-Date": {date},
		"X-Amz-Expires": {life}, "X-Amz-SignedHeaders": {"host"},
	}
	if c.token != "" {
		q.Set("X-Amz-Security-Token", c.token)
	}
	_, signature := c.signature(date, method, full, q, map[string]string{"host": base.Host}, "UNSIGNED-PAYLOAD")
	q.Set("X-Amz-Signature", signature)
	return base.Scheme + "://" + base.Host + full + "?" + q.Encode()
}

// fetch sends a request without a signature of its own.
func (c *s3Client) fetch(method, target, body string) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	return c.send(r)
}

// s3Failure is an error's document.
type s3Failure struct {
	XMLName                 xml.Name `xml:"Error"`
	Resource, Code, Message string
}

// wantFailure checks an error answer.
func wantFailure(t *testing.T, what string, r answer, status int, code, message string) {
	t.Helper()
	var f s3Failure
	if err := xml.Unmarshal([]byte(r.body), &f); err != nil {
		t.Errorf("%s: %d %s: %v", what, r.status, r.body, err)
		return
	}
	if f.XMLName.Space != "" { // in which botocore, and so aws and boto3, find no code
		t.Errorf("%s: the document has a namespace: %s", what, r.body)
	}
	if r.status != status || f.Code != code || message != "" && f.Message != message {
		t.Errorf("%s: %d %s %q; want %d %s %q", what, r.status, f.Code, f.Message, status, code, message)
	}
}
