package storage_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
)

// A small upload's bytes are stored before the database is asked; none of them
// stay when it refuses, and what it says is what a large one is told.
func TestSmallUploadRefused(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.exec(`update storage.buckets set file_size_limit = 100000, allowed_mime_types = '{text/plain,image/*}' where id = 'b'`)
	a.exec(`create policy own on storage.objects for insert to authenticated with check (bucket_id = 'b' and name like 'own-%')`)
	user := a.user("8f2a5b1e-7d1e-4a7f-9c55-0d3f6a2b1c4d")
	text := headers{"Content-Type": "text/plain"}
	a.do("POST", "/object/b/taken", a.service, "x", text).ok(t)
	const few, many = 5, 70 << 10
	for name, r := range map[string]struct {
		method, path, token, mime string
	}{
		"another type":               {"POST", "/object/b/x", a.service, "video/mp4"},
		"another type, and a policy": {"POST", "/object/b/x", user, "video/mp4"},
		"a policy":                   {"POST", "/object/b/x", user, "text/plain"},
		"no policy":                  {"PUT", "/object/b/own-x", a.anon, "image/png"},
		"it is taken":                {"POST", "/object/b/taken", a.service, "text/plain"},
		"an update without policy":   {"PUT", "/object/b/taken", user, "text/plain"},
		"no such bucket":             {"POST", "/object/none/x", user, "text/plain"},
	} {
		var answers []answer
		for _, n := range []int{few, many} {
			answers = append(answers, a.do(r.method, r.path, r.token, strings.Repeat("x", n), headers{"Content-Type": r.mime}))
		}
		if answers[0].status != 400 || answers[0].body != answers[1].body {
			t.Errorf("%s: %d %s\nlarge: %d %s", name, answers[0].status, answers[0].body, answers[1].status, answers[1].body)
		}
	}
	for n, key := range map[int]string{few: "own-few", many: "own-many"} { // a byte that is no UTF-8
		a.do("POST", "/object/b/"+key, a.service, strings.Repeat("x", n), headers{"Content-Type": "image/x;by=\xfc"}).ok(t)
		if got := a.do("GET", "/object/b/"+key, a.service, nil).header.Get("Content-Type"); got != "image/x;by=\ufffd" {
			t.Errorf("%s: %q", key, got)
		}
		a.do("DELETE", "/object/b/"+key, a.service, nil).ok(t)
	}
	for _, mime := range []string{"image/webp", "text/plain"} {
		a.do("PUT", "/object/b/own-"+mime, user, "12345", headers{"Content-Type": mime}).fails(t, 400, "403", "Unauthorized", `new row violates row-level security policy`, "AccessDenied")
		a.do("POST", "/object/b/own-"+mime, user, "12345", headers{"Content-Type": mime}).ok(t)
	}
	if n := len(a.files()); n != 3 {
		t.Errorf("%d files, not 3", n)
	}
	a.bytesMatchRows(t)
}

// A client that waits to be asked for its bytes is not asked for those of an
// upload that is refused.
func TestUploadExpects(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	for token, want := range map[string]int{a.service: http.StatusContinue, a.anon: http.StatusBadRequest} {
		host, path, _ := strings.Cut(strings.TrimPrefix(a.url, "http://"), "/")
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /%s/object/b/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", path, token)
		r := bufio.NewReader(conn)
		line, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, fmt.Sprintf("HTTP/1.1 %d ", want)) {
			t.Fatalf("%q %v, not %d", line, err, want)
		}
		if want == http.StatusContinue {
			if _, err := io.WriteString(conn, "hello"); err != nil {
				t.Fatal(err)
			}
			if _, err := r.ReadString('\n'); err != nil { // the empty line
				t.Fatal(err)
			}
			if line, err = r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 200 ") {
				t.Errorf("%q %v", line, err)
			}
		}
	}
}

// What a form says behind its file counts for the policies and for the bucket,
// as it counts for the row.
//
//covers:storage 36 79
func TestFieldsAfterTheFile(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.exec(`update storage.buckets set allowed_mime_types = '{image/*}' where id = 'b'`)
	a.exec(`create policy pictures on storage.objects for insert to authenticated
		with check (metadata->>'mimetype' = 'image/png' and user_metadata->>'team' is distinct from 'blue')`)
	user := a.user("8f2a5b1e-7d1e-4a7f-9c55-0d3f6a2b1c4d")
	send := func(key string, size int, field, value string) answer {
		t.Helper()
		var buf bytes.Buffer
		w := multipart.NewWriter(&buf)
		p, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="f"`}, "Content-Type": {"image/png"}})
		if err == nil {
			_, err = p.Write(bytes.Repeat([]byte("x"), size))
		}
		if err == nil {
			err = w.WriteField(field, value)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return a.do("POST", "/object/b/"+key, user, buf.String(), headers{"Content-Type": w.FormDataContentType()})
	}
	for name, size := range map[string]int{"small": 5, "large": 70 << 10} {
		denied := func(r answer) {
			t.Helper()
			r.fails(t, 400, "403", "Unauthorized", "new row violates row-level security policy", "AccessDenied")
		}
		denied(send(name, size, "contentType", "image/gif"))
		denied(send(name, size, "metadata", `{"team":"blue"}`))
		send(name, size, "contentType", "text/plain").fails(t, 400, "415", "invalid_mime_type", "mime type text/plain is not supported", "InvalidMimeType")
		send(name, size, "metadata", `{"team":"red"}`).ok(t)
		if got := a.one(`select user_metadata->>'team' from storage.objects where name = '` + name + `'`); got != "red" {
			t.Errorf("%s: the metadata behind the file is %q", name, got)
		}
	}
	if n := len(a.files()); n != 2 {
		t.Errorf("%d files, not 2", n)
	}
	a.bytesMatchRows(t)
}
