package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/suparust/suparust/suparusttest"
)

// Clients of Storage send names as they are: a file called 100%.png makes a
// path that is no URL. They are told so in the API's words.
//
//covers:storage 4
func TestBadTarget(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t)
	const wrong = `{"error":"Bad Request","code":"FST_ERR_BAD_URL","message":"'%s' is not a valid url component","statusCode":400}`
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "/storage/v1/object/public/b/%zz", "", fmt.Sprintf(wrong, "/object/public/b/%zz")},
		{"POST", "/storage/v1/object/b/100%.png?x=%", strings.Repeat("x", 300_000), fmt.Sprintf(wrong, "/object/b/100%.png")},
		{"GET", "/storage/v1/object/b/%ff", "", fmt.Sprintf(wrong, "/object/b/%ff")}, // which is one to Go
		{"GET", "/rest/v1/%zz", "", "400 Bad Request"},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", tt.method, tt.path, len(tt.body), tt.body); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.path, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusBadRequest || string(body) != tt.want {
			t.Errorf("%s: %s %s, %v", tt.path, res.Status, body, err)
		}
		if strings.HasPrefix(tt.path, "/storage/") && res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: pages cannot read it: %v", tt.path, res.Header)
		}
		_ = conn.Close()
	}
}
