package password

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Bounds of what a stored hash may ask for. A hash is data, and data must not
// be able to stop the server.
const (
	maxHashLength  = 4096
	maxMemoryKiB   = 1 << 20 // 1 GiB
	maxPasses      = 20
	maxThreads     = 16
	maxSumBytes    = 512
	maxScryptWork  = 1 << 26 // n·r·p of a scrypt computation
	scryptKeyBytes = 32      // AES-256
)

const (
	variantI  = "argon2i"
	variantID = "argon2id"
)

// parsed is a hash that was understood.
type parsed interface {
	memoryKiB() int64
	matches(password string) (bool, error)
	weakerThan(Cost) bool
}

func parse(hash string) (parsed, error) {
	switch {
	case len(hash) > maxHashLength:
		return nil, fmt.Errorf("%w (longer than %d characters)", ErrUnknownHash, maxHashLength)
	case strings.HasPrefix(hash, "$argon2"):
		return parseArgon(hash)
	case strings.HasPrefix(hash, "$fbscrypt$"):
		return parseFirebase(hash)
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != 60 {
		return nil, ErrUnknownHash
	}
	return bcryptHash{hash: hash, cost: cost}, nil
}

// --- Argon2

type argonHash struct {
	variant string
	memory  uint32
	time    uint32
	threads uint8
	salt    []byte
	sum     []byte
}

func (a argonHash) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", a.variant, argon2.Version, a.memory, a.time, a.threads,
		b64.EncodeToString(a.salt), b64.EncodeToString(a.sum))
}

// parseArgon reads the PHC string form: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func parseArgon(s string) (parsed, error) {
	fields := strings.Split(s, "$")
	if len(fields) != 6 || fields[0] != "" {
		return nil, fmt.Errorf("%w (an Argon2 hash has five parts after $)", ErrUnknownHash)
	}
	a := argonHash{variant: fields[1]}
	if a.variant != variantI && a.variant != variantID {
		return nil, fmt.Errorf("%w (Argon2 variant %q)", ErrUnknownHash, a.variant)
	}
	if fields[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, fmt.Errorf("%w (Argon2 version %q, only v=%d is known)", ErrUnknownHash, fields[2], argon2.Version)
	}
	p, err := numbers(fields[3], "m", "t", "p")
	if err != nil {
		return nil, err
	}
	if err := checkArgonBounds(p["m"], p["t"], p["p"]); err != nil {
		return nil, errors.Join(ErrUnknownHash, err)
	}
	a.memory, a.time, a.threads = uint32(p["m"]), uint32(p["t"]), uint8(p["p"])
	if a.salt, err = decode(base64.RawStdEncoding, "salt", fields[4]); err != nil {
		return nil, err
	}
	if a.sum, err = decode(base64.RawStdEncoding, "hash", fields[5]); err != nil {
		return nil, err
	}
	return a, nil
}

func checkArgonBounds(memory, time, threads uint64) error {
	switch {
	case memory < 1 || memory > maxMemoryKiB:
		return fmt.Errorf("password: Argon2 memory m=%d is outside of 1 to %d KiB", memory, maxMemoryKiB)
	case time < 1 || time > maxPasses:
		return fmt.Errorf("password: Argon2 passes t=%d are outside of 1 to %d", time, maxPasses)
	case threads < 1 || threads > maxThreads:
		return fmt.Errorf("password: Argon2 threads p=%d are outside of 1 to %d", threads, maxThreads)
	}
	return nil
}

func (a argonHash) memoryKiB() int64 { return int64(a.memory) }

func (a argonHash) matches(password string) (bool, error) {
	derive := argon2.IDKey
	if a.variant == variantI {
		derive = argon2.Key
	}
	sum := derive([]byte(password), a.salt, a.time, a.memory, a.threads, uint32(len(a.sum)))
	return subtle.ConstantTimeCompare(sum, a.sum) == 1, nil
}

func (a argonHash) weakerThan(c Cost) bool {
	if c.Bcrypt != 0 {
		return true
	}
	return a.variant != variantID || a.memory < c.Memory || a.time < c.Time || len(a.salt) < saltBytes/2 || len(a.sum) < keyBytes/2
}

// --- bcrypt

type bcryptHash struct {
	hash string
	cost int
}

func (b bcryptHash) memoryKiB() int64 { return 4 }

func (b bcryptHash) matches(password string) (bool, error) {
	err := bcrypt.CompareHashAndPassword([]byte(b.hash), []byte(password))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return false, nil
	}
	return false, errors.Join(ErrUnknownHash, err)
}

func (b bcryptHash) weakerThan(c Cost) bool { return c.Bcrypt == 0 || b.cost < c.Bcrypt }

// --- Firebase scrypt

type firebaseHash struct {
	log2n, r, p uint64
	separator   []byte
	signer      []byte
	salt        []byte
	sum         []byte
}

// parseFirebase reads
// $fbscrypt$v=1,n=<log2 N>,r=…,p=…,ss=<salt separator>,sk=<signer key>$salt$hash.
func parseFirebase(s string) (parsed, error) {
	fields := strings.Split(s, "$")
	if len(fields) != 5 {
		return nil, fmt.Errorf("%w (a Firebase hash has four parts after $)", ErrUnknownHash)
	}
	var plain []string
	f := firebaseHash{}
	var err error
	for part := range strings.SplitSeq(fields[2], ",") {
		switch name, value, _ := strings.Cut(part, "="); {
		case name == "ss" && f.separator == nil:
			if f.separator, err = decode(base64.StdEncoding, "ss", value); err != nil {
				return nil, err
			}
		case name == "sk" && f.signer == nil:
			if f.signer, err = decode(base64.StdEncoding, "sk", value); err != nil {
				return nil, err
			}
		default:
			plain = append(plain, part)
		}
	}
	n, err := numbers(strings.Join(plain, ","), "v", "n", "r", "p")
	if err != nil {
		return nil, err
	}
	f.log2n, f.r, f.p = n["n"], n["r"], n["p"]
	switch {
	case n["v"] != 1:
		return nil, fmt.Errorf("%w (Firebase version %d, only 1 is known)", ErrUnknownHash, n["v"])
	case f.signer == nil:
		return nil, fmt.Errorf("%w (a Firebase hash needs its signer key sk)", ErrUnknownHash)
	case f.log2n < 1 || f.log2n > 20 || f.r < 1 || f.r > 64 || f.p < 1 || f.p > maxThreads || f.work() > maxScryptWork:
		return nil, fmt.Errorf("%w (Firebase parameters n=%d r=%d p=%d are out of bounds)", ErrUnknownHash, f.log2n, f.r, f.p)
	}
	if f.salt, err = decode(base64.StdEncoding, "salt", fields[3]); err != nil {
		return nil, err
	}
	if f.sum, err = decode(base64.StdEncoding, "hash", fields[4]); err != nil {
		return nil, err
	}
	if f.memoryKiB() > maxMemoryKiB {
		return nil, fmt.Errorf("%w (the Firebase parameters need more than %d KiB)", ErrUnknownHash, maxMemoryKiB)
	}
	return f, nil
}

func (f firebaseHash) work() uint64 { return f.r * f.p << f.log2n }

func (f firebaseHash) memoryKiB() int64 {
	hi, lo := bits.Mul64(128*f.r, 1<<f.log2n)
	if hi != 0 || lo>>10 > maxMemoryKiB {
		return maxMemoryKiB + 1
	}
	return int64(lo >> 10)
}

func (f firebaseHash) matches(password string) (bool, error) {
	salt := append(append([]byte{}, f.salt...), f.separator...)
	key, err := scrypt.Key([]byte(password), salt, 1<<f.log2n, int(f.r), int(f.p), scryptKeyBytes)
	if err != nil {
		return false, errors.Join(ErrUnknownHash, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return false, err
	}
	sum := make([]byte, len(f.signer))
	// the zero IV is part of the scheme: the key is different for every salt
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(sum, f.signer)
	return subtle.ConstantTimeCompare(sum, f.sum) == 1, nil
}

func (f firebaseHash) weakerThan(Cost) bool { return true }

// --- pieces

// numbers reads "a=1,b=2": each of the names once, nothing else.
func numbers(s string, names ...string) (map[string]uint64, error) {
	out := make(map[string]uint64, len(names))
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(part, "=")
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if _, twice := out[name]; !ok || !known || twice {
			return nil, fmt.Errorf("%w (parameter %q)", ErrUnknownHash, part)
		}
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%w (parameter %q is no number)", ErrUnknownHash, part)
		}
		out[name] = n
	}
	if len(out) != len(names) {
		return nil, fmt.Errorf("%w (parameters %q are needed)", ErrUnknownHash, names)
	}
	return out, nil
}

func decode(enc *base64.Encoding, what, s string) ([]byte, error) {
	b, err := enc.Strict().DecodeString(s)
	if err != nil || len(b) == 0 || len(b) > maxSumBytes || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%w (its %s is not base64 of 1 to %d bytes)", ErrUnknownHash, what, maxSumBytes)
	}
	return b, nil
}
