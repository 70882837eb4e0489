package tus

import (
	"encoding/base64"
	"strings"
)

// ID names an upload in its address: the object it is for and the version that
// the bytes will have.
type ID struct {
	Bucket, Key, Version string
}

// String is id as the last segment of an address.
func (id ID) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(id.Bucket + "/" + id.Key + "/" + id.Version))
}

var toURLAlphabet = strings.NewReplacer("+", "-", "/", "_", "=", "")

// ParseID reads the last segment of an address. Which names an object can have
// is not judged; that each part is there is.
func ParseID(segment string) (id ID, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(toURLAlphabet.Replace(segment))
	if err != nil || strings.ContainsAny(segment, "\r\n") {
		return ID{}, false
	}
	bucket, rest, ok := strings.Cut(string(raw), "/")
	if !ok {
		return ID{}, false
	}
	end := strings.LastIndexByte(rest, '/')
	if end < 0 {
		return ID{}, false
	}
	return ID{Bucket: bucket, Key: rest[:end], Version: rest[end+1:]}, true
}
