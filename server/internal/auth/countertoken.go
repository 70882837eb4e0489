package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math"
	mathrand "math/rand" // draws as other servers of the same database do

	"github.com/google/uuid"
)

// counterToken is a refresh token that stands in no table: it names its session
// and the refreshes that there were, and a key of the session signs it.
//
// Its form is one byte 0, the session's id, the counter as uvarint, the first
// half of the HMAC-SHA-256 of these, and the first four bytes of the SHA-256 of
// all, in base64url.
type counterToken struct {
	session   string
	counter   int64
	signed    []byte // what the signature is of
	signature []byte
}

const (
	counterChecksum  = 4
	counterSignature = 16
	counterKeyBytes  = 32
	counterMinBytes  = 1 + 16 + 1 + counterSignature + counterChecksum
	counterMaxBytes  = counterMinBytes + binary.MaxVarintLen64 - 1
)

// parseCounterToken reports whether s has the form; who has signed it is not
// known yet.
func parseCounterToken(s string) (*counterToken, bool) {
	if len(s) > base64.RawURLEncoding.EncodedLen(counterMaxBytes) {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) < counterMinBytes || raw[0] != 0 {
		return nil, false
	}
	body, checksum := raw[:len(raw)-counterChecksum], raw[len(raw)-counterChecksum:]
	if sum := sha256.Sum256(body); !hmac.Equal(sum[:counterChecksum], checksum) {
		return nil, false
	}
	id, err := uuid.FromBytes(body[1:17])
	if err != nil {
		return nil, false
	}
	counter, n := binary.Uvarint(body[17:])
	if n <= 0 || counter > math.MaxInt64 || len(body) != 17+n+counterSignature {
		return nil, false
	}
	return &counterToken{session: id.String(), counter: int64(counter), signed: body[:17+n], signature: body[17+n:]}, true
}

// signedWith reports whether the session's key has signed the token.
func (t *counterToken) signedWith(key []byte) bool {
	return hmac.Equal(counterSum(key, t.signed), t.signature)
}

func counterSum(key, signed []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(signed)
	return m.Sum(nil)[:counterSignature]
}

// newCounterToken is the token of a session's refreshes so far. The id is a
// UUID of this server's database.
func newCounterToken(session string, counter int64, key []byte) string {
	id := uuid.MustParse(session)
	raw := append(make([]byte, 0, counterMaxBytes), 0)
	raw = append(raw, id[:]...)
	raw = binary.AppendUvarint(raw, uint64(max(counter, 0)))
	raw = append(raw, counterSum(key, raw)...)
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(append(raw, sum[:counterChecksum]...))
}

// newCounterKey draws a session's key in the form that is stored.
func newCounterKey() string {
	key := make([]byte, counterKeyBytes)
	_, _ = rand.Read(key) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(key)
}

// counterKey is the key that signs the session's tokens; ok is false for a
// session with random tokens, and where the key cannot be read.
func (s *Session) counterKey() (key []byte, ok bool) {
	if s.refreshKey == "" || s.counter == nil {
		return nil, false
	}
	key, err := base64.RawURLEncoding.DecodeString(s.refreshKey)
	return key, err == nil
}

// upgrades tells whether a session with random tokens is among those that get
// counter tokens. The same sessions are chosen every time.
func (c *SessionConfig) upgrades(session string) bool {
	if !c.CounterTokens || c.UpgradePercentage <= 0 {
		return false
	}
	id, err := uuid.Parse(session)
	if err != nil {
		return false
	}
	return mathrand.New(mathrand.NewSource(int64(crc32.ChecksumIEEE(id[:])))).Intn(100) < c.UpgradePercentage
}
