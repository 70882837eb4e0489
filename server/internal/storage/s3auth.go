package storage

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/storage/sigv4"
)

// s3Caller is what the signature of a request has said.
type s3Caller struct {
	sig    *sigv4.Signature
	secret string // that it was made with
	form   *form  // of a form, whose file is still to be read
}

// maxS3Fields bounds the fields of a form.
const maxS3Fields = 20

// authenticateS3 checks who has signed the request, in its header, its query or
// the fields of its form. The configured key acts as service_role; a request
// with a user's token acts as that user.
func (c *call) authenticateS3(q url.Values) error {
	sig, form, err := c.readSignature(q)
	if err != nil {
		return fromSignature(err)
	}
	if sig.Service != "s3" {
		return errAccessDenied("Invalid Service")
	}
	if c.h.s3.EnforceRegion && sig.Region != c.h.s3.Region {
		return errAccessDenied("Invalid Region")
	}
	secrets, err := c.s3Secrets(sig)
	if err != nil {
		return err
	}
	secret, ok := "", false
	for _, s := range secrets {
		if s != "" && c.signedWith(sig, s, form) {
			secret, ok = s, true
		}
	}
	if !ok {
		return errSignatureMismatch(sig.SessionToken != "")
	}
	if form != nil {
		if err := c.checkPolicy(form.fields); err != nil {
			return err
		}
	} else if err := c.checkSignedHeaders(sig); err != nil {
		return err
	}
	c.s3 = &s3Caller{sig: sig, secret: secret, form: form}
	return c.actAs(sig.SessionToken)
}

// readSignature finds the signature. An Authorization header of another kind
// does not count, nor do fields of a form that is not sent to a bucket.
func (c *call) readSignature(q url.Values) (*sigv4.Signature, *form, error) {
	switch {
	case strings.HasPrefix(c.r.Header.Get("Authorization"), sigv4.Algorithm+" "):
		sig, err := sigv4.FromHeader(c.r.Header)
		return sig, nil, err
	case q.Has("X-Amz-Credential"):
		sig, err := sigv4.FromQuery(q, c.h.now())
		return sig, nil, err
	case c.r.Method == http.MethodPost && isForm(c.r):
		f, err := readFormOf(c.r, maxS3Fields)
		if err != nil {
			return nil, nil, err
		}
		fields := map[string]string{}
		for name, value := range f.fields {
			name = strings.ToLower(name)
			if _, twice := fields[name]; twice || len(f.twice) > 0 {
				return nil, nil, &sigv4.FormatError{Message: "Duplicate form field in POST policy request"}
			}
			fields[name] = value
		}
		f.fields = fields
		sig, err := sigv4.FromForm(fields)
		return sig, f, err
	case q.Has("AWSAccessKeyId"), strings.HasPrefix(c.r.Header.Get("Authorization"), "AWS "):
		return nil, nil, errAccessDenied("Signature version 2 is not supported: sign with version 4, " +
			"which for the aws command is `aws configure set default.s3.signature_version s3v4`")
	default:
		return nil, nil, errAccessDenied("Missing signature")
	}
}

// s3Secrets are those that may have signed.
func (c *call) s3Secrets(sig *sigv4.Signature) ([]string, error) {
	if sig.SessionToken != "" {
		if c.h.s3.SessionSecrets == nil {
			return nil, errAccessDenied("Missing tenant anon key")
		}
		return c.h.s3.SessionSecrets(), nil
	}
	if c.h.s3.AccessKeyID == "" || c.h.s3.SecretAccessKey == "" {
		return nil, errAccessDenied("Missing S3 Protocol Access Key ID or Secret Key Environment variables")
	}
	if subtle.ConstantTimeCompare([]byte(sig.AccessKey), []byte(c.h.s3.AccessKeyID)) != 1 {
		return nil, errAccessDenied("Invalid Access Key")
	}
	return []string{c.h.s3.SecretAccessKey}, nil
}

func (c *call) signedWith(sig *sigv4.Signature, secret string, f *form) bool {
	if f != nil {
		return sig.VerifyPolicy(secret, f.fields["policy"])
	}
	path := c.h.s3.Prefix + c.r.URL.EscapedPath()
	paths := []string{path}
	if decoded, err := url.PathUnescape(path); err == nil && sigv4.Escape(decoded, false) != path {
		paths = append(paths, sigv4.Escape(decoded, false))
	}
	return sig.Verify(secret, sigv4.Request{
		Method: c.r.Method, Paths: paths, Hosts: c.signedHosts(), RawQuery: c.r.URL.RawQuery, Header: c.r.Header,
	})
}

// signedHosts are the names that the client may have called the server by.
func (c *call) signedHosts() []string {
	h := c.r.Header
	hosts := []string{c.r.Host}
	add := func(host string) {
		if host = strings.ToLower(strings.TrimSpace(host)); host != "" && host != hosts[0] {
			hosts = append(hosts, host)
		}
	}
	if c.h.s3.ForwardedHeader {
		if _, rest, ok := strings.Cut(h.Get("Forwarded"), "host="); ok {
			host, _, _ := strings.Cut(strings.TrimPrefix(rest, `"`), `"`)
			host, _, _ = strings.Cut(host, ";")
			host, _, _ = strings.Cut(host, ",")
			add(host)
		}
	}
	if name := c.h.s3.HostHeader; name != "" {
		add(h.Get(name))
	}
	if host := h.Get("X-Forwarded-Host"); host != "" {
		add(host)
		if port := h.Get("X-Forwarded-Port"); port != "" && port != "80" && port != "443" {
			name, _, _ := strings.Cut(host, ":")
			add(name + ":" + port)
		}
	}
	add(c.h.s3.PublicHost)
	return hosts
}

// mustBeSigned are headers that would change what a signed request does.
var mustBeSigned = []string{"x-amz-copy-source", "x-amz-acl", "x-amz-metadata-directive", "x-amz-security-token"}

// checkSignedHeaders refuses a request to which somebody who does not know the
// secret may have added a header.
func (c *call) checkSignedHeaders(sig *sigv4.Signature) error {
	for _, name := range mustBeSigned {
		if c.r.Header.Get(name) != "" && !sig.Signs(name) {
			return errAccessDenied("There were headers present in the request which were not signed: " + name)
		}
	}
	return nil
}

// actAs makes the caller service_role, or the user of a session's token.
func (c *call) actAs(session string) error {
	c.signedIn = true
	if session == "" {
		c.claims = &gateway.Claims{Role: serviceRole, Raw: json.RawMessage(`{"role":"service_role"}`)}
		return nil
	}
	claims, err := c.h.verifier.Verify(session)
	if err == nil {
		err = checkTime(claims, c.h.now())
	}
	if err != nil {
		return withCause(errAccessDenied(tokenMessage(err)), err)
	}
	c.token, c.claims = session, claims
	return nil
}

func errSignatureMismatch(session bool) *Error {
	message := "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	if session {
		message = "The request signature we calculated does not match the signature you provided, Check your credentials. " +
			"The session token should be a valid JWT token"
	}
	return &Error{Status: 403, Name: "SignatureDoesNotMatch", Code: "SignatureDoesNotMatch", Message: message}
}

// fromSignature is the answer for a signature that cannot be read.
func fromSignature(err error) error {
	var form *sigv4.FormatError
	switch {
	case errors.As(err, &form):
		return errSignature(form.Message)
	case errors.Is(err, sigv4.ErrExpired{}):
		return errExpiredToken()
	default:
		return err
	}
}

func errExpiredToken() *Error {
	return &Error{Status: 400, Name: "ExpiredToken", Code: "ExpiredToken", Message: "The provided token has expired."}
}
