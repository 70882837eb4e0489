package storage

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/session"
)

const (
	serviceRole = "service_role"
	anonRole    = "anon"
)

// call is one request and who makes it.
type call struct {
	h         *Handler
	w         http.ResponseWriter
	r         *http.Request
	operation string
	bucket    string // of the path, decoded
	key       string

	signedIn bool
	token    string
	claims   *gateway.Claims
	headers  []byte // as JSON, made when first asked for

	s3         *s3Caller    // of a request of the S3 protocol
	formLength *lengthRange // that its form's policy asks for
}

func (c *call) ctx() context.Context { return c.r.Context() }

// authenticate looks at the token as far as the route demands.
func (c *call) authenticate(a auth) error {
	if a == authNone {
		return nil
	}
	err := c.readToken()
	if err != nil && a != authOptional && c.sendsNoToken() {
		return errValidation("headers must have required property 'authorization'")
	}
	if err != nil && a == authOptional {
		return nil
	}
	if err != nil {
		return err
	}
	if a == authService && c.role() != serviceRole {
		e := errAccessDenied("Access denied: Invalid role")
		e.HTTP = http.StatusForbidden
		return e
	}
	return nil
}

// sendsNoToken reports whether a request without a token is answered that the
// header is missing. For the platform's clients it is not: their gateway hands
// an empty header on where there was none, and they expect what that causes.
func (c *call) sendsNoToken() bool {
	if c.operation == "storage.object.list_v2" || strings.HasPrefix(c.operation, "storage.tus.") || strings.HasPrefix(c.operation, "storage.render.") {
		return false // these do not ask for the header
	}
	_, sent := c.r.Header["Authorization"]
	cr := gateway.CredentialsFrom(c.ctx())
	return !sent && cr.Token == "" && c.r.Header.Get("X-Client-Info") == ""
}

func (c *call) readToken() error {
	cr := gateway.CredentialsFrom(c.ctx())
	token, claims, err := cr.Token, cr.Claims, error(nil)
	if cr.Err != nil {
		err = cr.Err
	}
	if cr.Bare != "" { // Storage takes a token without "Bearer" as well
		token = cr.Bare
		claims, err = c.h.verifier.Verify(token)
	}
	switch {
	case err != nil:
	case claims != nil:
		err = checkTime(claims, c.h.now())
	default:
		err = &gateway.TokenError{Kind: gateway.Empty}
	}
	if err != nil {
		return withCause(errAccessDenied(tokenMessage(err)), err)
	}
	c.signedIn, c.token, c.claims = true, token, claims
	return nil
}

// checkTime judges exp and nbf; when a token was issued is not looked at.
func checkTime(claims *gateway.Claims, now time.Time) error {
	err := claims.CheckTime(now, 0)
	var te *gateway.TokenError
	if errors.As(err, &te) && te.Kind == gateway.IssuedInFuture {
		return nil
	}
	return err
}

// tokenMessage is the text for a token that was refused.
func tokenMessage(err error) string {
	var te *gateway.TokenError
	if !errors.As(err, &te) {
		return "Invalid Compact JWS"
	}
	switch te.Kind {
	case gateway.Expired:
		return `"exp" claim timestamp check failed`
	case gateway.NotYetValid:
		return `"nbf" claim timestamp check failed`
	case gateway.NotANumber:
		return `"` + te.Detail + `" claim must be a number`
	case gateway.Malformed:
		switch te.Detail {
		case "header":
			return "JWS Protected Header is invalid"
		case "payload": // it is not looked at before the signature
			return "signature verification failed"
		case "signature":
			return "Failed to base64url decode the signature"
		}
		return "Invalid Compact JWS"
	case gateway.BadSignature, gateway.NoKey:
		return "signature verification failed"
	case gateway.AlgNone, gateway.UnsupportedAlg:
		return `"alg" (Algorithm) Header Parameter value not allowed`
	case gateway.BadClaims:
		return "JWT Claims Set must be a top-level JSON object"
	default:
		return "Invalid Compact JWS"
	}
}

func (c *call) role() string {
	if c.claims == nil || c.claims.Role == "" {
		return anonRole
	}
	return c.claims.Role
}

// owner is who the caller's objects belong to, nil without a subject.
func (c *call) owner() *string {
	if c.claims == nil || c.claims.Subject == "" {
		return nil
	}
	return &c.claims.Subject
}

// asUser are the settings of the caller's own statements.
func (c *call) asUser() *session.Settings {
	if c.claims == nil {
		return c.settings(c.role(), "", []byte(`{"role":"anon"}`), "")
	}
	return c.settings(c.role(), c.token, c.claims.Raw, c.claims.Subject)
}

// asService are the settings of what the server does on its own account.
func (c *call) asService() *session.Settings {
	return c.settings(serviceRole, "", []byte(`{"role":"service_role"}`), "")
}

// asReader are the settings of what the server only reads on its own account.
// What the request was is left out: service_role passes the policies by, so
// that nothing looks at it. In a database of somebody else's it may not.
func (c *call) asReader() *session.Settings {
	if c.h.keep {
		return c.asService()
	}
	return &session.Settings{Role: serviceRole, Extra: timeouts, RequestID: gateway.RequestID(c.ctx())}
}

// asUserReading are the settings of what the caller only reads.
func (c *call) asUserReading() *session.Settings {
	if c.role() == serviceRole && !c.h.keep {
		return c.asReader()
	}
	return c.asUser()
}

// timeouts bound every statement of a request.
var timeouts = []session.Setting{{Name: "statement_timeout", Value: "30s"}, {Name: "lock_timeout", Value: "5s"}}

func (c *call) settings(role, token string, claims []byte, subject string) *session.Settings {
	if c.headers == nil {
		c.headers = headersJSON(c.r)
	}
	return &session.Settings{
		SearchPath: "storage,public,extensions",
		Role:       role,
		Claims:     claims, Subject: subject, ClaimRole: role,
		Method: c.r.Method, Path: c.r.URL.EscapedPath(), Headers: c.headers,
		RequestID: gateway.RequestID(c.ctx()),
		Extra: []session.Setting{
			{Name: "request.jwt", Value: token},
			{Name: "storage.operation", Value: c.operation},
			{Name: "storage.allow_delete_query", Value: "true"},
			timeouts[0], timeouts[1],
		},
	}
}

// headersJSON is the request's headers with names in lower case.
func headersJSON(r *http.Request) []byte {
	b := httpx.AppendJSON(append(make([]byte, 0, 1024), `{"host":`...), r.Host)
	for name, values := range r.Header {
		b = httpx.AppendJSON(append(b, ','), strings.ToLower(name))
		b = httpx.AppendJSON(append(b, ':'), strings.Join(values, ", "))
	}
	return append(b, '}')
}

// logDenied tells the log what the answer does not: who was refused what by
// the database, and in its words.
func (c *call) logDenied(err error) {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != pgInsufficientPrivilege {
		return
	}
	c.h.log.LogAttrs(c.ctx(), slog.LevelInfo, "the database refused a storage request",
		slog.String("req_id", gateway.RequestID(c.ctx())), slog.String("role", c.role()), slog.String("operation", c.operation),
		slog.String("bucket", c.bucket), slog.String("key", c.key), slog.String("message", pe.Message))
}
