package storage

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

//covers:storage 39
func TestTypeAllowed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		mime    string
		allowed []string
		want    bool
	}{
		{"image/png", nil, true},
		{"image/png", []string{"image/png"}, true},
		{"image/png", []string{"text/plain", "image/*"}, true},
		{"image/jpeg", []string{"image/png"}, false},
		{"text/plain;charset=UTF-8", []string{"text/*"}, true},
		{"text/plain;charset=UTF-8", []string{"text/plain"}, false},
		{"png", []string{"image/png"}, false},
		{"image/png", []string{"*"}, false},
	}
	for _, tt := range tests {
		if got := typeAllowed(tt.mime, tt.allowed); got != tt.want {
			t.Errorf("%s in %v: %v", tt.mime, tt.allowed, got)
		}
	}
}

func form1(t *testing.T, build func(*multipart.Writer)) *http.Request {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	build(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", &buf)
	r.Header.Set("Content-Type", w.FormDataContentType())
	return r
}

//covers:storage 36
func TestReadForm(t *testing.T) {
	t.Parallel()
	f, err := readForm(form1(t, func(w *multipart.Writer) {
		_ = w.WriteField("cacheControl", "60")
		_ = w.WriteField("cacheControl", "61")
		p, _ := w.CreatePart(map[string][]string{
			"Content-Disposition": {`form-data; name=""; filename="blob"`}, "Content-Type": {"Image/PNG; x=y"},
		})
		_, _ = p.Write([]byte("bytes"))
		_ = w.WriteField("metadata", `{"late":true}`)
	}))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f.file)
	if err != nil || string(b) != "bytes" || f.mime != "image/png" || f.fields["cacheControl"] != "60" || !f.twice["cacheControl"] || len(f.fields) != 1 {
		t.Errorf("%q, %v, %+v", b, err, f)
	}
	if err := f.readRest(); err != nil || f.fields["metadata"] != `{"late":true}` {
		t.Errorf("the fields after the file: %v, %+v", err, f.fields)
	}
}

// TestPartName: what a part is, by its header.
func TestPartName(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]struct {
		name   string
		isFile bool
	}{
		`form-data; name="a"`:                          {"a", false},
		`form-data; name=""; filename="x.txt"`:         {"", true},
		`form-data; name="f"; filename=""`:             {"f", true},
		`form-data; name="f"; filename="a\"b.txt"`:     {"f", true},
		`form-data; name="f"; filename="a"b.txt"`:      {"f", true},
		`form-data; name="f"; filename=my file.txt`:    {"f", true},
		`form-data; filename="a"b"; name="f"`:          {"", true},
		`form-data; name="f"; filename="é.txt"`:        {"f", true},
		"form-data; name=\"f\"; filename=\"\xfc.txt\"": {"f", true},
		`form-data; name="a"b"`:                        {"a", false},
		``:                                             {"", false},
	} {
		name, isFile := partName(&multipart.Part{Header: map[string][]string{"Content-Disposition": {header}}})
		if name != want.name || isFile != want.isFile {
			t.Errorf("%s: %q %v", header, name, isFile)
		}
	}
}

//covers:storage 36
func TestReadFormRefuses(t *testing.T) {
	t.Parallel()
	file := func(w *multipart.Writer) { p, _ := w.CreateFormFile("", "x"); _, _ = p.Write([]byte("x")) }
	tests := map[string]struct {
		build func(*multipart.Writer)
		want  string
	}{
		"no part": {func(*multipart.Writer) {}, "No content provided"},
		"no file": {func(w *multipart.Writer) { _ = w.WriteField("a", "b") }, "No content provided"},
		"eleven fields": {func(w *multipart.Writer) {
			for range 11 {
				_ = w.WriteField("a", "b")
			}
			file(w)
		}, "Request stream closed before upload could begin"},
		"metadata": {func(w *multipart.Writer) {
			_ = w.WriteField("metadata", strings.Repeat(" ", maxFieldBytes+1))
			file(w)
		}, "The user_metadata exceeded the maximum allowed size"},
	}
	for name, tt := range tests {
		if _, err := readForm(form1(t, tt.build)); message400(err) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for body, want := range map[string]string{
		"":        "No content provided",
		"garbage": "Unexpected end of multipart data",
		"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nabc": "Unexpected end of multipart data",
		"--b\r\nbroken\r\n\r\nfile\r\n--b--\r\n":                       "No content provided",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		if _, err := readForm(r); message400(err) != want {
			t.Errorf("%q: %v, not %s", body, err, want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
	r.Header.Set("Content-Type", "multipart/form-data")
	if _, err := readForm(r); message400(err) != "Multipart: Boundary not found" {
		t.Errorf("no boundary: %v", err)
	}
}

func FuzzReadForm(f *testing.F) {
	f.Add("--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{}\r\n--b\r\nContent-Disposition: form-data; name=\"\"; filename=\"x\"\r\n\r\nbytes\r\n--b--\r\n")
	f.Add("--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: form-data; name=x\r\n\r\n")
	f.Add("--b--")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		fm, err := readForm(r)
		if err != nil {
			return
		}
		if fm.file == nil || len(fm.fields) > maxFormFields {
			t.Errorf("%+v", fm)
		}
		b, _ := io.ReadAll(fm.file)
		if len(b) > len(body) {
			t.Error("more bytes than were sent")
		}
	})
}
