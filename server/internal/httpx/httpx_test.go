package httpx

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReadBody(t *testing.T) {
	for _, c := range []struct {
		name    string
		body    io.Reader
		declare int64 // Content-Length, -1 is unknown
		want    string
		over    bool
	}{
		{name: "none", body: nil},
		{name: "empty", body: strings.NewReader("")},
		{name: "of the limit", body: strings.NewReader("12345678"), declare: 8, want: "12345678"},
		{name: "of unknown length", body: strings.NewReader("1234"), declare: -1, want: "1234"},
		{name: "declared too long", body: strings.NewReader("123456789"), declare: 9, over: true},
		{name: "too long and undeclared", body: strings.NewReader("123456789"), declare: -1, over: true},
		{name: "endless", body: endless{}, declare: -1, over: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", c.body)
			r.ContentLength = c.declare
			got, err := ReadBody(httptest.NewRecorder(), r, 8)
			var tooLarge *TooLargeError
			if c.over != errors.As(err, &tooLarge) || !c.over && err != nil {
				t.Fatalf("error %v", err)
			}
			if string(got) != c.want {
				t.Errorf("body %q, want %q", got, c.want)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestReadBodyOfABrokenClient(t *testing.T) {
	broken := errors.New("connection reset")
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("12"), failing{broken}))
	if _, err := ReadBody(httptest.NewRecorder(), r, 8); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// A length that is only declared costs no memory.
func TestReadBodyOfALyingClient(t *testing.T) {
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			r := httptest.NewRequest(http.MethodPost, "/", failing{io.ErrUnexpectedEOF})
			r.ContentLength = 64 << 20
			if _, err := ReadBody(httptest.NewRecorder(), r, 64<<20); err == nil {
				b.Fatal("a body that broke off was taken for whole")
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 1<<20 {
		t.Errorf("%d bytes are allocated for a body that never came", allocated)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// What cannot be encoded has not begun to be answered, so that its error can
// still be.
func TestWriteJSON(t *testing.T) {
	w := httptest.NewRecorder()
	if err := WriteJSON(w, http.StatusTeapot, map[string]string{"a": "<b>&"}); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusTeapot || w.Body.String() != `{"a":"<b>&"}` || w.Header().Get("Content-Length") != "12" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	w = httptest.NewRecorder()
	if err := WriteJSON(w, http.StatusOK, func() {}); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("error %v, body %q, header %v", err, w.Body, w.Header())
	}
}

func TestHandle(t *testing.T) {
	wrong := errors.New("wrong")
	for _, want := range []error{nil, wrong} {
		var got error
		Handle(func(http.ResponseWriter, *http.Request) error { return want },
			func(_ http.ResponseWriter, _ *http.Request, err error) { got = err }).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		if !errors.Is(got, want) {
			t.Errorf("the error %v came as %v", want, got)
		}
	}
}
