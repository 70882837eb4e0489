package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // RFC 6238 as every authenticator app implements it
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	totpPeriod      = 30
	totpDigits      = 6
	totpSecretBytes = 20
)

var totpEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// newTOTPSecret draws the secret that an authenticator app shares.
func newTOTPSecret() string {
	var b [totpSecretBytes]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return totpEncoding.EncodeToString(b[:])
}

// totpCode is the code of a time step (RFC 6238).
func totpCode(secret string, step int64) (string, error) {
	key, err := totpEncoding.DecodeString(secret)
	if err != nil {
		return "", fmt.Errorf("the factor's secret is no base32: %w", err)
	}
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	m := hmac.New(sha1.New, key)
	m.Write(counter[:])
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%1_000_000), nil
}

// TOTP is the code that an authenticator app with the secret shows at a time.
func TOTP(secret string, at time.Time) (string, error) {
	if secret == "" {
		return "", errors.New("there is no secret")
	}
	return totpCode(secret, at.Unix()/totpPeriod)
}

// totpFits reports whether the code is that of now, of the step before or the
// one after. Blanks around it do not count.
func totpFits(secret, code string, now time.Time) (bool, error) {
	code = strings.TrimSpace(code)
	step := now.Unix() / totpPeriod
	fits := false
	for _, s := range []int64{step - 1, step, step + 1} {
		want, err := totpCode(secret, s)
		if err != nil {
			return false, err
		}
		fits = equalSecret(want, code) || fits
	}
	return fits, nil
}

// totpURI is what an authenticator app is told.
func totpURI(issuer, account, secret string) string {
	// a blank is %20 in the query too: apps take a + for itself
	name := strings.ReplaceAll(url.PathEscape(issuer), "&", "%26")
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + account,
		RawQuery: fmt.Sprintf("algorithm=SHA1&digits=%d&issuer=%s&period=%d&secret=%s", totpDigits, name, totpPeriod, secret)}
	return u.String()
}
