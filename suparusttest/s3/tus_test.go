package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/suparust/suparust/suparusttest"
)

// tus sends a request of the protocol as service_role and returns its answer's
// status and offset, -1 when it tells none.
func tus(t *testing.T, srv *suparusttest.Server, method, path string, body io.Reader, headers ...string) (status int, offset int64) {
	t.Helper()
	status, h, text := ask(t, srv, method, path, body, headers...)
	offset, err := strconv.ParseInt(h.Get("Upload-Offset"), 10, 64)
	if err != nil {
		offset = -1
	}
	if status >= 300 {
		t.Logf("%s: %d %s", method, status, text)
	}
	return status, offset
}

func ask(t *testing.T, srv *suparusttest.Server, method, path string, body io.Reader, headers ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, srv.URL+"/storage/v1/upload/resumable"+path, body)
	if err != nil {
		t.Error(err)
		return 0, nil, ""
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Header.Set("Authorization", "Bearer "+srv.ServiceKey)
	r.Header.Set("Tus-Resumable", "1.0.0")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Logf("%s: %v", method, err) // of a server that is killed
		return 0, http.Header{}, ""
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body) // as far as it came
	return res.StatusCode, res.Header, string(text)
}

// create begins an upload and returns the last part of its address.
func create(t *testing.T, srv *suparusttest.Server, key string, length int, first ...byte) string {
	t.Helper()
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	headers := []string{"Upload-Length", strconv.Itoa(length), "Upload-Metadata", "bucketName " + encode("b") + ",objectName " + encode(key)}
	var body io.Reader
	if len(first) > 0 {
		headers, body = append(headers, "Content-Type", "application/offset+octet-stream"), bytes.NewReader(first)
	}
	status, h, text := ask(t, srv, "POST", "", body, headers...)
	if status != 201 {
		t.Fatalf("create: %d %s", status, text)
	}
	at := h.Get("Location")
	return at[strings.LastIndexByte(at, '/'):]
}

func patch(t *testing.T, srv *suparusttest.Server, at string, offset int64, part []byte) (status int, end int64) {
	t.Helper()
	return patchFrom(t, srv, at, offset, bytes.NewReader(part))
}

func patchFrom(t *testing.T, srv *suparusttest.Server, at string, offset int64, part io.Reader) (status int, end int64) {
	t.Helper()
	return tus(t, srv, "PATCH", at, part, "Upload-Offset", strconv.FormatInt(offset, 10), "Content-Type", "application/offset+octet-stream")
}

func offsetOf(t *testing.T, srv *suparusttest.Server, at string) int64 {
	t.Helper()
	status, offset := tus(t, srv, "HEAD", at, nil)
	if status != 200 {
		t.Fatalf("HEAD: %d", status)
	}
	return offset
}

func randomBytes(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// unfinished are the uploads in parts that the service knows of.
func unfinished(t *testing.T, bucket string) int {
	t.Helper()
	res, err := client(gateway, gatewayKey, gatewaySecret, "").ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(res.Uploads)
}

// isWhole checks the object, its ETag, and that nothing of its upload is left
// but the record.
func isWhole(t *testing.T, srv *suparusttest.Server, bucket, key string, want []byte) {
	t.Helper()
	if got := ok(t, srv, "GET", "/object/b/"+key, nil); got != string(want) {
		t.Errorf("%s: %d bytes, want %d", key, len(got), len(want))
	}
	if info, sum := ok(t, srv, "GET", "/object/info/b/"+key, nil), fmt.Sprintf("%x", md5.Sum(want)); !strings.Contains(info, sum) {
		t.Errorf("%s: no ETag %s in %s", key, sum, info)
	}
	for _, name := range keys(t, bucket, "files/uploads/") {
		if !strings.HasSuffix(name, "/record") {
			t.Errorf("%s: %s is left", key, name)
		}
	}
	if n := unfinished(t, bucket); n != 0 {
		t.Errorf("%s: %d unfinished uploads are left in the bucket", key, n)
	}
}

// recorded is how many bytes the only upload's record tells of in parts.
func recorded(t *testing.T, bucket string) int64 {
	t.Helper()
	for _, key := range keys(t, bucket, "files/uploads/") {
		if strings.HasSuffix(key, "/record") {
			var record struct {
				Parts []string
			}
			if err := json.Unmarshal([]byte(object(t, bucket, key)), &record); err != nil {
				t.Fatal(err)
			}
			return 5 << 20 * int64(len(record.Parts))
		}
	}
	return 0
}

func object(t *testing.T, bucket, key string) string {
	t.Helper()
	res, err := client(gateway, gatewayKey, gatewaySecret, "").GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
