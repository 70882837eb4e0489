package tus

import (
	"math"
	"strconv"
	"strings"
)

// Version is the one that is spoken.
const Version = "1.0.0"

// ContentType is that of a body with bytes of an upload.
const ContentType = "application/offset+octet-stream"

// ParseSize reads Upload-Length and Upload-Offset: a number from 0, written
// without sign, space or leading zeros. One that is too large for any file is
// the largest there is.
func ParseSize(header string) (n int64, ok bool) {
	if header == "" || header[0] == '0' && header != "0" || strings.Trim(header, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(header, 10, 64)
	if err != nil { // only its length is wrong with it
		return math.MaxInt64, true
	}
	return n, true
}

// ValidHeader reports whether a header of the protocol, its name in lower
// case, has a value that the protocol allows. Other headers are always valid.
func ValidHeader(name, value string) bool {
	switch name {
	case "tus-resumable", "tus-version":
		return value == Version
	case "upload-offset", "upload-length":
		_, ok := ParseSize(value)
		return ok
	case "upload-defer-length":
		return value == "1"
	case "upload-metadata":
		_, err := ParseMetadata(value)
		return err == nil
	case "upload-concat":
		return value == "partial" || strings.HasPrefix(value, "final;")
	default:
		return true
	}
}

// Headers are the names that ValidHeader judges, in order.
var Headers = []string{
	"tus-resumable", "tus-version", "upload-concat", "upload-defer-length", "upload-length", "upload-metadata", "upload-offset",
}
