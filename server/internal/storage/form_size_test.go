package storage

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestFormFieldsTogether: many fields of a form cannot take more memory than a
// few large ones.
func TestFormFieldsTogether(t *testing.T) {
	t.Parallel()
	for fields, fits := range map[int]bool{2: true, 3: false} {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for i := range fields {
			if err := w.WriteField(fmt.Sprint("f", i), strings.Repeat("x", maxFieldBytes)); err != nil {
				t.Fatal(err)
			}
		}
		file, err := w.CreateFormFile("file", "a.txt")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(file, "hello")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/s3/b", &b)
		r.Header.Set("Content-Type", w.FormDataContentType())
		f, err := readFormOf(r, maxS3Fields)
		if fits != (err == nil) || fits && f.filename != "a.txt" || !fits && !strings.Contains(err.Error(), "2 MiB") {
			t.Errorf("%d fields: %v", fields, err)
		}
	}
}

// TestFormNames: nor can the names of fields, and their headers.
func TestFormNames(t *testing.T) {
	t.Parallel()
	for what, header := range map[string]string{
		"names":   `Content-Disposition: form-data; name="` + strings.Repeat("n", maxFieldBytes) + `"`,
		"headers": "X-Header: " + strings.Repeat("h", maxFieldBytes) + "\r\nContent-Disposition: form-data; name=\"n\"",
	} {
		for fields, fits := range map[int]bool{1: true, 3: false} {
			var body strings.Builder
			for range fields {
				body.WriteString("--b\r\n" + header + "\r\n\r\nvalue\r\n")
			}
			body.WriteString("--b\r\nContent-Disposition: form-data; name=file; filename=a.txt\r\n\r\n" + strings.Repeat("hello", maxFormBytes) + "\r\n--b--\r\n")
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/s3/b", strings.NewReader(body.String()))
			r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
			f, err := readFormOf(r, maxS3Fields)
			if fits != (err == nil) || !fits && !strings.Contains(err.Error(), "2 MiB") {
				t.Errorf("%d %s: %v", fields, what, err)
			}
			if err != nil {
				continue
			}
			if n, err := io.Copy(io.Discard, f.file); n != 5*maxFormBytes || err != nil { // a file may be larger
				t.Errorf("%d %s: %d bytes, %v", fields, what, n, err)
			}
			if err := f.readRest(); err != nil {
				t.Errorf("%d %s: %v", fields, what, err)
			}
		}
	}
}
