package storage_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/gateway"
)

// api is a server and the ways the tests speak to it.
type api struct {
	t             testing.TB
	url           string // with the prefix of the API
	anon, service string
	dir           string // where the bytes are
	dsn           string // of the database, as authenticator
	keys          gateway.Keys

	mu    *sync.Mutex
	admin *pgx.Conn // as the superuser, one user at a time
}

// sign is a token with these claims.
func (a *api) sign(claims map[string]any) string {
	a.t.Helper()
	signer, err := gateway.NewSigner(gateway.KeySet{gateway.SecretKey(a.keys.JWTSecret)})
	if err != nil {
		a.t.Fatal(err)
	}
	token, err := signer.Sign(claims)
	if err != nil {
		a.t.Fatal(err)
	}
	return token
}

// user is a signed in user's token.
func (a *api) user(sub string) string {
	return a.sign(map[string]any{"role": "authenticated", "sub": sub, "exp": time.Now().Add(time.Hour).Unix()})
}

func (a *api) exec(sql string, args ...any) {
	a.t.Helper()
	if err := a.run(sql, args...); err != nil {
		a.t.Fatalf("%s: %v", sql, err)
	}
}

// one is the single value that a query returns, as text.
func (a *api) one(sql string, args ...any) string {
	a.t.Helper()
	var s string
	if err := a.row(&s, "select coalesce(("+sql+")::text, 'null')", args...); err != nil {
		a.t.Fatalf("%s: %v", sql, err)
	}
	return s
}

// bucket makes a bucket by SQL.
func (a *api) bucket(id string, public bool) {
	a.t.Helper()
	a.exec(`insert into storage.buckets (id, name, public) values ($1, $1, $2)`, id, public)
}

type answer struct {
	status int
	header http.Header
	body   string
}

type headers map[string]string

// do sends a request; body is nil, a string, an io.Reader or a value to be
// sent as JSON.
func (a *api) do(method, path, token string, body any, hs ...headers) answer {
	a.t.Helper()
	r, err := a.try(method, path, token, body, hs...)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (a *api) try(method, path, token string, body any, hs ...headers) (answer, error) {
	a.t.Helper()
	var rd io.Reader
	contentType := ""
	switch b := body.(type) {
	case nil:
	case string:
		rd = strings.NewReader(b)
	case []byte:
		rd = bytes.NewReader(b)
	case io.Reader:
		rd = b
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			a.t.Fatal(err)
		}
		rd, contentType = bytes.NewReader(raw), "application/json"
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, rd)
	if err != nil {
		a.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for _, h := range hs {
		for k, v := range h {
			req.Header.Set(k, v)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, header: res.Header, body: string(b)}, err
}

// is fails the test unless the answer has this status and body.
func (r answer) is(t testing.TB, status int, body string) {
	t.Helper()
	if r.status != status || r.body != body {
		t.Errorf("got %d %s\nwant %d %s", r.status, r.body, status, body)
	}
}

// fails fails the test unless the answer is this error.
func (r answer) fails(t testing.TB, status int, code, name, message, errCode string) {
	t.Helper()
	want, err := json.Marshal(struct {
		StatusCode string `json:"statusCode"`
		Error      string `json:"error"`
		Message    string `json:"message"`
		Code       string `json:"code"`
	}{code, name, message, errCode})
	if err != nil {
		t.Fatal(err)
	}
	wantBody := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(want))
	r.is(t, status, wantBody)
	if got := r.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type: %q", got)
	}
}

func (r answer) noSuchBucket(t testing.TB) {
	t.Helper()
	r.fails(t, 400, "404", "Bucket not found", "Bucket not found", "NoSuchBucket")
}

func (r answer) noSuchKey(t testing.TB) {
	t.Helper()
	r.fails(t, 400, "404", "not_found", "Object not found", "NoSuchKey")
}

func (r answer) violates(t testing.TB) {
	t.Helper()
	r.fails(t, 400, "403", "Unauthorized", "new row violates row-level security policy", "AccessDenied")
}

func (r answer) duplicate(t testing.TB, code string) {
	t.Helper()
	r.fails(t, 400, "409", "Duplicate", "The resource already exists", code)
}

// ok fails the test unless the answer is 200, and decodes it.
func (r answer) ok(t testing.TB) map[string]any {
	t.Helper()
	m := map[string]any{}
	if r.status != 200 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return m
}

// list is ok for a list.
func (r answer) list(t testing.TB) []map[string]any {
	t.Helper()
	var l []map[string]any
	if r.status != 200 {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), &l); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return l
}

// put uploads text as the service role.
func (a *api) put(path, content string, hs ...headers) {
	a.t.Helper()
	a.do("POST", "/object/"+path, a.service, content, append([]headers{{"Content-Type": "text/plain"}}, hs...)...).ok(a.t)
}

// form is a multipart body and its content type: fields, then one file.
func form(t testing.TB, fields [][2]string, fileType, content string) (*bytes.Buffer, headers) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, f := range fields {
		if err := w.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	p, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name=""; filename="blob"`}, "Content-Type": {fileType},
	})
	if err == nil {
		_, err = p.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &buf, headers{"Content-Type": w.FormDataContentType()}
}

func etag(content string) string {
	sum := md5.Sum([]byte(content))
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// files are the names of the files that the server keeps bytes in, unfinished
// ones too.
func (a *api) files() (names []string) {
	a.t.Helper()
	for _, sub := range []string{"objects", "tmp"} {
		err := filepath.WalkDir(filepath.Join(a.dir, sub), func(_ string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				names = append(names, e.Name())
			}
			return err
		})
		if err != nil {
			a.t.Fatal(err)
		}
	}
	return names
}

// bytesMatchRows fails the test unless each row has its file and no file is
// without a row.
func (a *api) bytesMatchRows(t testing.TB) {
	t.Helper()
	var want []string
	if err := a.row(&want, `select coalesce(array_agg(version order by version), '{}') from storage.objects`); err != nil {
		t.Fatal(err)
	}
	got := a.files()
	if len(got) != len(want) {
		t.Errorf("%d files for %d rows: %v, %v", len(got), len(want), got, want)
		return
	}
	have := map[string]bool{}
	for _, f := range got {
		have[f] = true
	}
	for _, v := range want {
		if !have[v] {
			t.Errorf("row of version %s has no file", v)
		}
	}
}

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// The policies that the tests give to users, by what they are for.
const (
	maySelect = `create policy may_select on storage.objects for select to authenticated using (true);`
	mayInsert = `create policy may_insert on storage.objects for insert to authenticated with check (true);`
	mayUpdate = `create policy may_update on storage.objects for update to authenticated using (true) with check (true);`
	mayDelete = `create policy may_delete on storage.objects for delete to authenticated using (true);`
	everybody = maySelect + mayInsert + mayUpdate + mayDelete
)

const alice = "6f2ca1e0-3a5f-4b0e-9d6a-1f4f3c1d2e3a"

func isUUID(v any) bool {
	s, _ := v.(string)
	return uuid.Validate(s) == nil
}
