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
