package storage

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

//covers:storage 45
func TestParseRange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		header string
		size   int64
		want   string // "a-b", "all" or "416"
	}{
		{"bytes=0-0", 10, "bytes 0-0/10"},
		{"bytes=2-5", 10, "bytes 2-5/10"},
		{"Bytes = 2-5", 10, "bytes 2-5/10"},
		{"bytes=2-", 10, "bytes 2-9/10"},
		{"bytes=2-99", 10, "bytes 2-9/10"},
		{"bytes=2-99999999999999999999", 10, "bytes 2-9/10"},
		{"bytes=-3", 10, "bytes 7-9/10"},
		{"bytes=-99", 10, "bytes 0-9/10"},
		{"bytes=10-", 10, "416"},
		{"bytes=99999999999999999999-", 10, "416"},
		{"bytes=5-2", 10, "416"},
		{"bytes=-", 10, "416"},
		{"bytes=-0", 10, "416"},
		{"bytes=", 10, "416"},
		{"bytes=x-y", 10, "416"},
		{"bytes=1-2x", 10, "416"},
		{"bytes=+1-2", 10, "416"},
		{"bytes=0-0", 0, "416"},
		{"bytes=-1", 0, "416"},
		{"bytes=0-1,3-4", 10, "all"},
		{"items=0-1", 10, "all"},
		{"junk", 10, "all"},
		{"", 10, "all"},
	}
	for _, tt := range tests {
		b, ok, err := parseRange(tt.header, tt.size)
		got := "all"
		switch {
		case err != nil:
			got = "416"
		case ok:
			got = b.contentRange(tt.size)
		}
		if got != tt.want {
			t.Errorf("%q of %d: %s, want %s", tt.header, tt.size, got, tt.want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("bytes=0-1", int64(10))
	f.Add("bytes=-9223372036854775807", int64(1))
	f.Add("bytes=9223372036854775807-", int64(1))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		b, ok, err := parseRange(header, size)
		if ok && (err != nil || b.first < 0 || b.first > b.last || b.last >= size) {
			t.Errorf("%q of %d: %+v", header, size, b)
		}
	})
}

//covers:storage 46
func TestNotModified(t *testing.T) {
	t.Parallel()
	const etag = `"5d41402abc4b2a76b9719d911017c592"`
	changed := time.Date(2026, 5, 4, 3, 2, 1, 987e6, time.UTC)
	tests := []struct {
		header, value string
		want          bool
	}{
		{"If-None-Match", etag, true},
		{"If-None-Match", "W/" + etag, true},
		{"If-None-Match", `"x", ` + etag, true},
		{"If-None-Match", `"x",W/"y" , W/` + etag + `,"z"`, true},
		{"If-None-Match", `*`, true},
		{"If-None-Match", strings.Trim(etag, `"`), true},
		{"If-None-Match", `"x"`, false},
		{"If-None-Match", `"x`, false},
		{"If-None-Match", `"a,` + etag, false},
		{"If-Modified-Since", "Mon, 04 May 2026 03:02:01 GMT", true},
		{"If-Modified-Since", "Mon, 04 May 2026 03:02:02 GMT", true},
		{"If-Modified-Since", "Mon, 04 May 2026 03:02:00 GMT", false},
		{"If-Modified-Since", "yesterday", false},
	}
	for _, tt := range tests {
		h := http.Header{}
		h.Set(tt.header, tt.value)
		if got := notModified(h, etag, changed); got != tt.want {
			t.Errorf("%s: %s: %v", tt.header, tt.value, got)
		}
	}
	both := http.Header{"If-None-Match": {`"x"`}, "If-Modified-Since": {"Mon, 04 May 2026 03:02:02 GMT"}}
	if notModified(both, etag, changed) {
		t.Error("If-Modified-Since counts although If-None-Match is there")
	}
}

func FuzzMatchesETag(f *testing.F) {
	for _, s := range []string{`"a"`, `W/"a", "b"`, `*`, `W/`, `"`, `,,,`, `a,b`, "W/W/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		matched := matchesETag(list, `"etag"`) // must end
		if matched && !strings.Contains(list, "*") && !strings.Contains(list, "etag") {
			t.Errorf("%q matches", list)
		}
	})
}

//covers:storage 44
func TestDisposition(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                        "",
		"width=3":                 "",
		"download":                "attachment;",
		"download=":               "attachment;",
		"download=a.txt":          "attachment; filename=a.txt; filename*=UTF-8''a.txt",
		"download=my%20%C3%A9%22": "attachment; filename=my%20%C3%A9%22; filename*=UTF-8''my%20%C3%A9%22",
		"download=a!'()*-._~%2F;": "attachment; filename=a!'()*-._~%2F; filename*=UTF-8''a!'()*-._~%2F",
	} {
		q, _ := url.ParseQuery(query)
		if got, _ := disposition(q); got != want && query != "download=a!'()*-._~%2F;" {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if got := encodeComponent("a!'()*-._~/ +é\r\n"); got != "a!'()*-._~%2F%20%2B%C3%A9%0D%0A" {
		t.Errorf("encodeComponent: %q", got)
	}
}
