package storage

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxBucketName = 100
	maxKeyBytes   = 1024
	// placeholder is the last part of a key that stands for an empty folder.
	placeholder = ".emptyFolderPlaceholder"
)

// nameBytes are the bytes of a bucket's name; a key may have slashes as well.
var nameBytes = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_!.*'() &$@=;:+,?-") {
		set[c] = true
	}
	return set
}()

func onlyNameBytes(s string, slash bool) bool {
	for i := range len(s) {
		if !nameBytes[s[i]] && (!slash || s[i] != '/') {
			return false
		}
	}
	return true
}

// checkBucketName refuses a name that a bucket cannot have.
func checkBucketName(name string) error {
	switch {
	case name == "", len(name) > maxBucketName, !onlyNameBytes(name, false):
		return errInvalidBucketName()
	default:
		return nil
	}
}

// checkNewBucketName is checkBucketName for a bucket that is to be made.
func checkNewBucketName(name string) error {
	if strings.TrimFunc(name, unicode.IsSpace) != name || strings.HasSuffix(name, "--table-s3") {
		return errInvalidBucketName()
	}
	return checkBucketName(name)
}

// checkNewKey refuses a key that an object cannot be given.
func checkNewKey(key string) error {
	if err := checkKeyBytes(key); err != nil {
		return err
	}
	if len(key) > maxKeyBytes || hasDotSegment(key) {
		return errInvalidKey(key)
	}
	return nil
}

// checkKey refuses a key that no object can have: as a mistake when it holds a
// forbidden character, as missing otherwise.
func checkKey(key string) error {
	if err := checkKeyBytes(key); err != nil {
		return err
	}
	if len(key) > maxKeyBytes || hasDotSegment(key) {
		return errNoSuchKey()
	}
	return nil
}

func checkKeyBytes(key string) error {
	if key == "" || !onlyNameBytes(key, true) {
		return errInvalidKey(key)
	}
	return nil
}

func hasDotSegment(key string) bool {
	for s := range strings.SplitSeq(key, "/") {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}

// isPlaceholder reports whether the key stands for an empty folder.
func isPlaceholder(key string) bool { return strings.HasSuffix(key, placeholder) }

// storable reports whether PostgreSQL takes s as text. A name that it does not
// take is the name of nothing.
func storable(s string) bool { return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) }
