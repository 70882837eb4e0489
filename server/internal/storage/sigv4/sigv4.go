// Package sigv4 checks Signature Version 4, with which clients of the S3
// protocol sign requests: in the Authorization header, in the query of a
// presigned URL, in the fields of a form, and chunk by chunk in a body.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// Algorithm is the only one there is.
	Algorithm = "AWS4-HMAC-SHA256"
	// UnsignedPayload stands in the place of a body's hash that is not signed.
	UnsignedPayload = "UNSIGNED-PAYLOAD"

	longDate = "20060102T150405Z"
)

// emptyHash is the SHA-256 of nothing.
var emptyHash = hexHash("")

// FormatError is a signature that cannot be read.
type FormatError struct{ Message string }

func (e *FormatError) Error() string { return e.Message }

// ErrExpired is a presigned URL whose time is over.
type ErrExpired struct{}

func (ErrExpired) Error() string { return "the signature has expired" }

// Signature is what a request says of its own signature.
type Signature struct {
	AccessKey, ShortDate, Region, Service string

	Date          string // as in X-Amz-Date
	SignedHeaders []string
	Signature     string
	PayloadHash   string // "" when the request names none
	SessionToken  string
	Presigned     bool
}

// FromHeader reads the Authorization header and those beside it.
func FromHeader(h http.Header) (*Signature, error) {
	rest, ok := strings.CutPrefix(h.Get("Authorization"), Algorithm)
	if !ok {
		return nil, &FormatError{"Unsupported authorization type"}
	}
	s := &Signature{Date: h.Get("X-Amz-Date"), PayloadHash: h.Get("X-Amz-Content-Sha256"), SessionToken: h.Get("X-Amz-Security-Token")}
	var credential, signed string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			signed = value
		case "Signature":
			s.Signature = value
		}
	}
	return s.complete(credential, signed)
}

// FromQuery reads the parameters of a presigned URL. It is ErrExpired when its
// time is over at now.
func FromQuery(q url.Values, now time.Time) (*Signature, error) {
	s := &Signature{
		Date: q.Get("X-Amz-Date"), Signature: q.Get("X-Amz-Signature"), SessionToken: q.Get("X-Amz-Security-Token"),
		PayloadHash: q.Get("X-Amz-Content-Sha256"), Presigned: true,
	}
	if _, err := s.complete(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders")); err != nil {
		return nil, err
	}
	life := q.Get("X-Amz-Expires")
	if life == "" {
		return s, nil
	}
	seconds, err := strconv.ParseInt(life, 10, 32)
	if err != nil || seconds < 0 {
		return nil, &FormatError{"Invalid expiration"}
	}
	made, err := time.Parse(longDate, s.Date)
	if err != nil {
		return nil, &FormatError{"Invalid signature format"}
	}
	if now.After(made.Add(time.Duration(seconds) * time.Second)) {
		return nil, ErrExpired{}
	}
	return s, nil
}

// FromForm reads the fields of a form, whose names are in lower case.
func FromForm(fields map[string]string) (*Signature, error) {
	s := &Signature{Date: fields["x-amz-date"], Signature: fields["x-amz-signature"], SessionToken: fields["x-amz-security-token"]}
	if fields["policy"] == "" {
		return nil, &FormatError{"Invalid signature format"}
	}
	return s.complete(fields["x-amz-credential"], "host")
}

func (s *Signature) complete(credential, signed string) (*Signature, error) {
	if credential == "" || signed == "" || s.Signature == "" || s.Date == "" {
		return nil, &FormatError{"Invalid signature format"}
	}
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return nil, &FormatError{"Invalid credentials"}
	}
	s.AccessKey, s.ShortDate, s.Region, s.Service = parts[0], parts[1], parts[2], parts[3]
	s.SignedHeaders = strings.Split(strings.ToLower(signed), ";")
	slices.Sort(s.SignedHeaders)
	return s, nil
}

// Signs reports whether the signature covers a header, named in lower case.
func (s *Signature) Signs(header string) bool { return slices.Contains(s.SignedHeaders, header) }

// scope is what the key is derived for.
func (s *Signature) scope() string {
	return s.ShortDate + "/" + s.Region + "/" + s.Service + "/aws4_request"
}

// key is the signing key of secret for the signature's day, region and service.
func (s *Signature) key(secret string) []byte {
	k := mac([]byte("AWS4"+secret), s.ShortDate)
	k = mac(k, s.Region)
	k = mac(k, s.Service)
	return mac(k, "aws4_request")
}

// Request is what a client has signed of its request.
type Request struct {
	Method string
	// Paths and Hosts are the forms that the client may have signed: a proxy
	// can have changed them on the way.
	Paths, Hosts []string
	RawQuery     string
	Header       http.Header
}

// Verify reports whether the signature is that of secret for the request.
func (s *Signature) Verify(secret string, r Request) bool {
	key := s.key(secret)
	query := canonicalQuery(r.RawQuery)
	payload := s.payload(r)
	good := 0
	for _, path := range r.Paths {
		for _, host := range r.Hosts {
			canonical := strings.Join([]string{
				r.Method, path, query, s.canonicalHeaders(r.Header, host), strings.Join(s.SignedHeaders, ";"), payload,
			}, "\n")
			want := hex.EncodeToString(mac(key, strings.Join([]string{Algorithm, s.Date, s.scope(), hexHash(canonical)}, "\n")))
			good |= subtle.ConstantTimeCompare([]byte(want), []byte(s.Signature))
		}
	}
	return good == 1
}

// VerifyPolicy reports whether the signature is that of secret for a form's
// policy, as it was sent.
func (s *Signature) VerifyPolicy(secret, policy string) bool {
	want := hex.EncodeToString(mac(s.key(secret), policy))
	return subtle.ConstantTimeCompare([]byte(want), []byte(s.Signature)) == 1
}

// payload is the hash of the body in the canonical request.
func (s *Signature) payload(r Request) string {
	if s.Presigned && s.Signs("x-amz-content-sha256") {
		return r.Header.Get("X-Amz-Content-Sha256")
	}
	if s.PayloadHash == "" || s.Presigned && r.Method == http.MethodGet {
		return UnsignedPayload
	}
	return s.PayloadHash
}

// unsignable are headers that clients never sign, even where they name them.
var unsignable = map[string]bool{
	"authorization": true, "connection": true, "expect": true, "from": true, "keep-alive": true, "max-forwards": true,
	"pragma": true, "referer": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"user-agent": true, "x-amzn-trace-id": true,
}

func (s *Signature) canonicalHeaders(h http.Header, host string) string {
	var b strings.Builder
	for _, name := range s.SignedHeaders {
		if unsignable[name] {
			continue
		}
		value := host
		if name != "host" {
			values := h.Values(name)
			if len(values) == 0 {
				if name != "content-length" {
					continue
				}
				values = []string{"0"}
			}
			value = strings.Join(values, ",")
		}
		b.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	return b.String()
}

// canonicalQuery is the query, decoded, sorted and encoded in the one form
// that is signed, without the signature itself.
func canonicalQuery(raw string) string {
	var all []string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		if name != "X-Amz-Signature" {
			all = append(all, Escape(name, true)+"="+Escape(value, true))
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if an != bn {
			return strings.Compare(an, bn)
		}
		return strings.Compare(av, bv)
	})
	return strings.Join(all, "&")
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// Escape percent-encodes all but the unreserved characters, and slashes where
// slash says so.
func Escape(s string, slash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~' || c == '/' && !slash {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

func hexHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
