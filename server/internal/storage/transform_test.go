package storage

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestTransform(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, want string }{
		{"", ""},
		{"width=100", "width:100,resizing_type:fill"},
		{"width=100&height=50&resize=contain&quality=20&format=webp", "height:50,width:100,resizing_type:fit,quality:20,format:webp"},
		{"height=99999&resize=fill&format=origin", "height:2000,resizing_type:force"},
		{"width=0&height=0&resize=cover", ""},
		{"quality=100&format=avif", "quality:100,format:avif"},
		{"gravity=sm&x_offset=1&y_offset=2", "gravity:sm"},
		{"gravity=no", "gravity:no"},
		{"gravity=no&x_offset=12", "gravity:no:12:0"},
		{"gravity=fp&x_offset=0&y_offset=0.25", "gravity:fp:0:0.25"},
		{"width=1e2", "width:100,resizing_type:fill"},
		{"ignored=1&x_offset=3", ""},
		{"width=-1", "querystring/width must be >= 0"},
		{"width=a", "querystring/width must be integer"},
		{"width=", "querystring/width must be integer"},
		{"width=1.5", "querystring/width must be integer"},
		{"width=a&height=-1", "querystring/height must be >= 0"},
		{"resize=crop", "querystring/resize must be equal to one of the allowed values"},
		{"format=png", "querystring/format must be equal to one of the allowed values"},
		{"quality=19", "querystring/quality must be >= 20"},
		{"quality=101", "querystring/quality must be <= 100"},
		{"gravity=obj", "querystring/gravity must be equal to one of the allowed values"},
		{"x_offset=a", "querystring/x_offset must be number"},
		{"y_offset=Infinity", "querystring/y_offset must be number"},
		{"gravity=fp", `querystring must have required property 'x_offset'`},
		{"gravity=fp&x_offset=0.5", `querystring must have required property 'y_offset'`},
		{"gravity=fp&x_offset=1.1&y_offset=0.5", `querystring/x_offset must be <= 1`},
		{"gravity=fp&x_offset=0&y_offset=-0.1", `querystring/y_offset must be >= 0`},
	} {
		q, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		f := readQuery(q)
		tr := f.transform()
		got := strings.Join(tr.segments(DefaultImageLimits, false), ",")
		if e := (*Error)(nil); errors.As(f.err, &e) {
			got = e.Message
		}
		if got != c.want {
			t.Errorf("%s: %s, not %s", c.query, got, c.want)
		}
		if f.err != nil {
			continue
		}
		// what a signed URL's token says is read as the same
		back := parseTransform(strings.Join(tr.segments(DefaultImageLimits, true), ","))
		if got := strings.Join(back.segments(DefaultImageLimits, false), ","); got != c.want {
			t.Errorf("%s: %s after a token", c.query, got)
		}
	}
	for text, want := range map[string]string{
		"width:12px,height:x,resize:undefined":         "width:12,resizing_type:fill",
		"width:99999999999999999999,quality:9999":      "width:2000,resizing_type:fill,quality:100",
		"gravity:fp:2:1,format:exe,resize:,width,:,,:": "",
		"gravity:fp,width:-3":                          "",
		"gravity:no:NaN:1":                             "gravity:no:0:1",
	} {
		if got := strings.Join(parseTransform(text).segments(DefaultImageLimits, false), ","); got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
}

func FuzzTransform(f *testing.F) {
	f.Add("width=100&height=50&resize=contain&quality=20&format=webp")
	f.Add("gravity=fp&x_offset=0&y_offset=0.25")
	f.Add("width:12px,gravity:no:1e400:-1")
	f.Fuzz(func(t *testing.T, text string) {
		check := func(tr transform) {
			o := tr.options(DefaultImageLimits, "")
			if o.Width < 0 || o.Width > 2000 || o.Height < 0 || o.Height > 2000 || o.Quality < 0 || o.Quality > 100 {
				t.Errorf("%+v", o)
			}
			for _, s := range tr.segments(DefaultImageLimits, false) {
				if strings.ContainsAny(s, ", \r\n") {
					t.Errorf("%q", s)
				}
			}
		}
		if q, err := url.ParseQuery(text); err == nil {
			if f := readQuery(q); true {
				tr := f.transform()
				if f.err == nil {
					check(tr)
				}
			}
		}
		check(parseTransform(text))
	})
}
