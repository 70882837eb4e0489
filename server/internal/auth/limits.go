package auth

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/auth/ratelimit"
)

// Rate is how many of something there may be: so many an hour, or so many at
// once and one more after each while.
type Rate = ratelimit.Rate

// ParseRate reads a rate: 30 is 30 an hour, 30/1m is 30 at once and one more
// each minute.
func ParseRate(s string) (*Rate, error) { return ratelimit.ParseRate(s) }

// Hourly is a rate of so many an hour.
func Hourly(n float64) *Rate { return ratelimit.Hourly(n) }

// LimitsConfig bounds what clients may ask for.
type LimitsConfig struct {
	// Header names the request header whose first value is the client, such as
	// X-Forwarded-For. Without it there are no limits of a client: only a proxy
	// in front knows who it is.
	Header string

	// Of one client: sign-ups, codes and changes of a user in five minutes,
	// verified codes in five minutes, sign-ins and refreshes in five minutes,
	// sign-ins with a wallet in five minutes, anonymous sign-ins in an hour,
	// and challenges and verifications of second factors in a minute.
	SignInSignUps, Verifications, TokenRefresh, Web3, AnonymousUsers, MFA float64

	// Of all clients together, where messages confirm an address or a number.
	// nil does not bound them.
	EmailsSent, SMSSent *Rate
}

// DefaultLimits are the platform's own.
func DefaultLimits() LimitsConfig {
	return LimitsConfig{SignInSignUps: 30, Verifications: 30, TokenRefresh: 150, Web3: 30, AnonymousUsers: 30, MFA: 15,
		EmailsSent: Hourly(30), SMSSent: Hourly(30)}
}

// The things that a client may do so often; each has its own count.
const (
	limitSignup = iota
	limitRecover
	limitResend
	limitMagicLink
	limitOTP
	limitUser
	limitVerify
	limitToken
	limitWeb3
	limitAnonymous
	limitChallenge
	limitFactorVerify
	limitCount
)

// rules are those of the limits above.
func (c LimitsConfig) rules() []ratelimit.Rule {
	const burst = 30
	codes := ratelimit.Rule{Events: c.SignInSignUps, Per: 5 * time.Minute, Burst: burst, Forget: time.Hour}
	rules := make([]ratelimit.Rule, limitCount)
	for i := range rules {
		rules[i] = codes
	}
	rules[limitVerify].Events = c.Verifications
	rules[limitToken].Events = c.TokenRefresh
	rules[limitWeb3].Events = c.Web3
	rules[limitAnonymous] = ratelimit.Rule{Events: c.AnonymousUsers, Per: time.Hour, Burst: math.Floor(c.AnonymousUsers), Forget: time.Hour}
	factors := ratelimit.Rule{Events: c.MFA, Per: time.Minute, Burst: burst, Forget: time.Minute}
	rules[limitChallenge], rules[limitFactorVerify] = factors, factors
	return rules
}

// admit refuses a request of a client that has asked too often.
func (h *Handler) admit(r *http.Request, limit int) error {
	if h.cfg.Limits.Header == "" {
		return nil
	}
	client, _, _ := strings.Cut(r.Header.Get(h.cfg.Limits.Header), ",")
	if client = strings.TrimSpace(client); client == "" {
		h.nameless.Do(func() {
			h.log.Warn("a request has no value for the header that names its client, so that it is not limited: let the proxy in front set it",
				"header", h.cfg.Limits.Header)
		})
		return nil
	}
	if !h.clients.Allow(limit, client) {
		return fail(http.StatusTooManyRequests, "over_request_rate_limit", "Request rate limit reached")
	}
	return nil
}

// limited stands before a route whose requests a client may make so often.
func (h *Handler) limited(limit int) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := h.admit(r, limit); err != nil {
				h.writeError(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// admitMail refuses a mail beyond what may leave in an hour. Where addresses
// need no confirmation only a rate of none counts.
func (h *Handler) admitMail() error {
	if h.emails.None() || !h.autoconfirms(providerEmail) && !h.emails.Allow() {
		return fail(http.StatusTooManyRequests, codeEmailLimit, "email rate limit exceeded")
	}
	return nil
}

// admitSMS refuses a text message beyond what may leave in an hour.
func (h *Handler) admitSMS() error {
	if !h.autoconfirms(providerPhone) && !h.texts.Allow() {
		return fail(http.StatusTooManyRequests, codeSMSLimit, "SMS rate limit exceeded")
	}
	return nil
}
