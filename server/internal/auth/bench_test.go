package auth_test

import (
	"net/http"
	"strings"
	"testing"
)

// send makes one request over a kept connection.
func (f *fixture) send(b *testing.B, method, path, token, body string) string {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	var out strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := res.Body.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if res.StatusCode != http.StatusOK {
		b.Fatalf("%d %s", res.StatusCode, out.String())
	}
	return out.String()
}

func BenchmarkGetUser(b *testing.B) {
	f := start(b, nil)
	u := f.signUp(b, "bench@example.com")
	for b.Loop() {
		f.send(b, "GET", "/user", u.token, "")
	}
}

func BenchmarkSignIn(b *testing.B) {
	f := start(b, nil)
	f.signUp(b, "bench@example.com")
	for b.Loop() {
		f.send(b, "POST", "/token?grant_type=password", f.keys.AnonKey, `{"email":"bench@example.com","password":"`+goodPassword+`"}`)
	}
}

func BenchmarkRefresh(b *testing.B) {
	f := start(b, nil)
	token := f.signUp(b, "bench@example.com").refresh
	for b.Loop() {
		body := f.send(b, "POST", "/token?grant_type=refresh_token", f.keys.AnonKey, `{"refresh_token":"`+token+`"}`)
		_, rest, _ := strings.Cut(body, `"refresh_token":"`)
		token = rest[:12]
	}
}
