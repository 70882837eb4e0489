// Package tus reads and writes what the protocol for resumable uploads, TUS
// 1.0.0, puts into headers and addresses. It knows nothing of HTTP's answers.
package tus

import (
	"encoding/base64"
	"errors"
	"strings"
)

// Pair is one entry of Upload-Metadata.
type Pair struct {
	Key   string
	Value string // decoded
}

// Metadata are the entries of Upload-Metadata in their order.
type Metadata []Pair

// ErrMetadata says that Upload-Metadata does not keep to the protocol.
var ErrMetadata = errors.New("Upload-Metadata must be pairs of a key and a Base64 value, separated by commas, each key once")

// ParseMetadata reads Upload-Metadata: pairs separated by commas, in each a
// key, and behind one space its value in padded Base64, unless it has none.
// What is no UTF-8 in a value is replaced.
func ParseMetadata(header string) (Metadata, error) {
	if strings.TrimSpace(header) == "" {
		return nil, ErrMetadata
	}
	var all Metadata
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(header, ",") {
		key, encoded, _ := strings.Cut(pair, " ")
		if !validKey(key) || seen[key] {
			return nil, ErrMetadata
		}
		if strings.ContainsAny(encoded, "\r\n") { // the decoder would skip them
			return nil, ErrMetadata
		}
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, ErrMetadata
		}
		seen[key] = true
		all = append(all, Pair{key, strings.ToValidUTF8(string(value), "\uFFFD")})
	}
	return all, nil
}

func validKey(key string) bool {
	for i := range len(key) {
		if key[i] == ' ' || key[i] == ',' || key[i] > 127 {
			return false
		}
	}
	return key != ""
}

// Get is the value of a key, "" when it has none or is not there.
func (m Metadata) Get(key string) string {
	for _, p := range m {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// With is m with another value for a key, at its place or else at the end.
func (m Metadata) With(key, value string) Metadata {
	out := append(Metadata{}, m...)
	for i := range out {
		if out[i].Key == key {
			out[i].Value = value
			return out
		}
	}
	return append(out, Pair{key, value})
}

// String is m as Upload-Metadata has it.
func (m Metadata) String() string {
	var b strings.Builder
	for i, p := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.Key)
		if p.Value != "" {
			b.WriteByte(' ')
			b.WriteString(base64.StdEncoding.EncodeToString([]byte(p.Value)))
		}
	}
	return b.String()
}
