package migrations

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// scramRounds is PostgreSQL's own number of iterations.
const scramRounds = 4096

// newVerifier makes what PostgreSQL stores for a password. Made here it is made
// once for all roles, and the password itself is never part of a statement.
func newVerifier(password string) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	stored, server, err := scramKeys(password, salt, scramRounds)
	if err != nil {
		return "", err
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramRounds, b64(salt), b64(stored), b64(server)), nil
}

// verifies tells whether a stored verifier belongs to the password.
func verifies(verifier, password string) bool {
	rest, ok := strings.CutPrefix(verifier, "SCRAM-SHA-256$")
	if !ok {
		return false
	}
	parameters, keys, _ := strings.Cut(rest, "$")
	roundsText, saltText, _ := strings.Cut(parameters, ":")
	storedText, _, _ := strings.Cut(keys, ":")
	rounds, err := strconv.Atoi(roundsText)
	if err != nil || rounds < 1 || rounds > 10_000_000 {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(saltText)
	if err != nil {
		return false
	}
	want, err := base64.StdEncoding.DecodeString(storedText)
	if err != nil {
		return false
	}
	got, _, err := scramKeys(password, salt, rounds)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}

// scramKeys are the stored key and the server key of RFC 5802. Of the string
// preparation that clients apply to a password only the normal form matters:
// what it forbids PostgreSQL's clients send as it is.
func scramKeys(password string, salt []byte, rounds int) (stored, server []byte, err error) {
	salted, err := pbkdf2.Key(sha256.New, norm.NFKC.String(password), salt, rounds, sha256.Size)
	if err != nil {
		return nil, nil, fmt.Errorf("derive the password's key: %w", err)
	}
	sum := sha256.Sum256(mac(salted, "Client Key"))
	return sum[:], mac(salted, "Server Key"), nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
