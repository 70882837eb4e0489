package tus_test

import (
	"encoding/base64"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/suparust/suparust/server/internal/storage/tus"
)

func TestParseMetadata(t *testing.T) {
	for _, c := range []struct {
		header string
		want   tus.Metadata // nil is an error
	}{
		{"a YQ==", tus.Metadata{{Key: "a", Value: "a"}}},
		{"a YQ==,b Yg==", tus.Metadata{{Key: "a", Value: "a"}, {Key: "b", Value: "b"}}},
		{"a", tus.Metadata{{Key: "a"}}},
		{"a ", tus.Metadata{{Key: "a"}}},
		{"a YQ==,b", tus.Metadata{{Key: "a", Value: "a"}, {Key: "b"}}},
		{"a /w==", tus.Metadata{{Key: "a", Value: "\uFFFD"}}},
		{"a 5L2g5aW9", tus.Metadata{{Key: "a", Value: "你好"}}},
		{"", nil},
		{" ", nil},
		{",", nil},
		{"a YQ==,", nil},
		{"a YQ==, b Yg==", nil},
		{"a  YQ==", nil},
		{"a YQ== x", nil},
		{"a YQ", nil},
		{"a Y", nil},
		{"a Y-_=", nil},
		{"a YQ==YQ==", nil},
		{"a YQ==,a Yg==", nil},
		{" YQ==", nil},
		{"ä YQ==", nil},
		{"a Y\nQ==", nil},
	} {
		got, err := tus.ParseMetadata(c.header)
		if !slices.Equal(got, c.want) || (err != nil) != (c.want == nil) || err != nil && !errors.Is(err, tus.ErrMetadata) {
			t.Errorf("%q: %v, %v", c.header, got, err)
		}
	}
}

func TestMetadataWith(t *testing.T) {
	m := tus.Metadata{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}
	if got := m.With("a", "x").With("c", ""); got.String() != "a eA==,b Mg==,c" || got.Get("a") != "x" || got.Get("d") != "" {
		t.Errorf("%v", got)
	}
	if m.Get("a") != "1" || len(m) != 2 {
		t.Errorf("changed: %v", m)
	}
}

func TestParseSize(t *testing.T) {
	for header, want := range map[string]int64{
		"0": 0, "1": 1, "10": 10, "9223372036854775807": math.MaxInt64, "9223372036854775808": math.MaxInt64, "99999999999999999999999": math.MaxInt64,
		"": -1, "-1": -1, "+1": -1, "01": -1, "00": -1, "1.0": -1, "1e3": -1, " 1": -1, "1 ": -1, "0x1": -1, "1_0": -1, "١": -1, "1, 1": -1,
	} {
		got, ok := tus.ParseSize(header)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d, %v", header, got, ok)
		}
	}
}

func TestValidHeader(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"tus-resumable", "1.0.0", true}, {"tus-resumable", "1", false}, {"tus-version", "1.0.0", true}, {"tus-version", "0.2.2", false},
		{"upload-offset", "1", true}, {"upload-offset", "a", false}, {"upload-length", "1", true}, {"upload-length", "", false},
		{"upload-defer-length", "1", true}, {"upload-defer-length", "0", false}, {"upload-metadata", "a", true}, {"upload-metadata", "a b c", false},
		{"upload-concat", "partial", true}, {"upload-concat", "final;/a /b", true}, {"upload-concat", "final", false}, {"x-other", "", true},
	} {
		if got := tus.ValidHeader(c.name, c.value); got != c.want {
			t.Errorf("%s: %q: %v", c.name, c.value, got)
		}
	}
}

func TestParseID(t *testing.T) {
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct {
		segment string
		want    tus.ID
		ok      bool
	}{
		{encode("b/k/v"), tus.ID{Bucket: "b", Key: "k", Version: "v"}, true},
		{encode("b/a/b/c/v"), tus.ID{Bucket: "b", Key: "a/b/c", Version: "v"}, true},
		{encode("b//v"), tus.ID{Bucket: "b", Version: "v"}, true},
		{base64.StdEncoding.EncodeToString([]byte("b/k??/v")), tus.ID{Bucket: "b", Key: "k??", Version: "v"}, true},
		{encode("b/v"), tus.ID{}, false},
		{encode("b"), tus.ID{}, false},
		{"", tus.ID{}, false},
		{"%%%", tus.ID{}, false},
		{"a\n", tus.ID{}, false},
	} {
		got, ok := tus.ParseID(c.segment)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %+v, %v", c.segment, got, ok)
		}
	}
}

func FuzzParseMetadata(f *testing.F) {
	for _, s := range []string{"a YQ==,b Yg==", "a", "a ,b", ",", "bucketName Yg==,objectName YS9i", "a /w=="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		m, err := tus.ParseMetadata(header)
		if err != nil {
			return
		}
		for _, p := range m {
			if p.Key == "" || strings.ContainsAny(p.Key, " ,") || !utf8.ValidString(p.Value) {
				t.Errorf("%q: %q", header, p)
			}
		}
		again, err := tus.ParseMetadata(m.String())
		if err != nil || !slices.Equal(again, m) {
			t.Errorf("%q: %v is read again as %v, %v", header, m, again, err)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "10", "-1", "01", "9223372036854775808", "1e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if n, ok := tus.ParseSize(header); ok && n < 0 {
			t.Errorf("%q: %d", header, n)
		}
	})
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{tus.ID{Bucket: "b", Key: "k/l", Version: "v"}.String(), "", "x", "Yi8v"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		id, ok := tus.ParseID(segment)
		if !ok {
			return
		}
		if strings.Contains(id.Bucket, "/") || strings.Contains(id.Version, "/") {
			t.Errorf("%q: %+v", segment, id)
		}
		if again, ok := tus.ParseID(id.String()); !ok || again != id {
			t.Errorf("%q: %+v is read again as %+v", segment, id, again)
		}
	})
}

func FuzzPublicRoot(f *testing.F) {
	f.Add("host", "443", "/base", `host=h;proto=https`)
	f.Add("[::1]:80", "8443", "", "")
	f.Fuzz(func(t *testing.T, host, port, prefix, forwarded string) {
		r := &http.Request{Host: "own", Header: http.Header{
			"X-Forwarded-Host": {host}, "X-Forwarded-Port": {port}, "X-Forwarded-Prefix": {prefix}, "Forwarded": {forwarded},
		}}
		got := tus.PublicRoot(r, "/storage/v1")
		if !strings.HasSuffix(got, "/storage/v1") || !strings.HasPrefix(got, "http://") && !strings.HasPrefix(got, "https://") {
			t.Errorf("%q", got)
		}
	})
}
