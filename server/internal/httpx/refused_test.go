package httpx

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestAnswerBadTargets(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/f"
	if err := os.WriteFile(file, []byte(refusal), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }))
	srv.Listener = AnswerBadTargets(srv.Listener, func(target string) any {
		if strings.HasPrefix(target, "/ours/") {
			return map[string]string{"target": target}
		}
		return nil
	})
	srv.Start()
	defer srv.Close()
	for _, tt := range []struct{ request, status, body string }{
		{"GET /ours/100%.png HTTP/1.1\r\nHost: h\r\n\r\n", "400 Bad Request", `{"target":"/ours/100%.png"}`},
		{"POST /ours/%zz?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200000), "400 Bad Request", `{"target":"/ours/%zz?a=b"}`},
		{"GET /other/100%.png HTTP/1.1\r\nHost: h\r\n\r\n", "400 Bad Request", "400 Bad Request"},
		{"GET /ours/x HTTP/1.1\r\nHost: h\r\nbad header\r\n\r\n", "400 Bad Request", "400 Bad Request"},
		{"nonsense\r\n\r\n", "400 Bad Request", "400 Bad Request"},
		{"GET /ours/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "200 OK", refusal},
		{"GET /ours/x HTTP/1.1\r\nHost: h\r\n\r\nGET /ours/%zz HTTP/1.1\r\nHost: h\r\n\r\n", "200 OK", refusal},
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, tt.request); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%.40q: %v", tt.request, err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.Status != tt.status || string(body) != tt.body {
			t.Errorf("%.40q: %s %q, %v", tt.request, res.Status, body, err)
		}
		_ = conn.Close()
	}
}
