package request

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// metered is a body that allows so much text to be made of it.
type metered struct {
	*strings.Reader
	most, made int64
}

var errMetered = errors.New("no memory is left")

func (m *metered) Made(size int64) error {
	if m.made = size; size > m.most {
		return errMetered
	}
	return nil
}

// TestMade: what is made of a small body may be large. Whoever gave the body is
// told before it is, and no more than a body may have is reserved.
func TestMade(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("n", 100<<10)
	for media, body := range map[string]string{
		MediaCSV:  name + "\n" + strings.Repeat("1\n", 1000),
		MediaForm: name + "=" + strings.Repeat("%01", 100<<10) + "&" + strings.Repeat("a=1&", 10),
	} {
		r, perr := Parse(http.MethodPost, "/t", "", http.Header{"Content-Type": {media}}, Options{Schemas: []string{"public"}})
		if perr != nil {
			t.Fatal(perr)
		}
		src := &metered{Reader: strings.NewReader(body), most: 600 << 10}
		if err := r.ReadBody(src, int64(len(body)), 64<<20); !errors.Is(err, errMetered) || src.made > 1<<20 {
			t.Errorf("%s: %v after %d bytes", media, err, src.made)
		}
	}
	const limit = 1 << 20
	body := newBodyText(strings.NewReader(""), 8<<20, limit)
	body.out, body.read = make([]byte, limit-10), 1<<20
	if body.reserve(100); cap(body.out) > 2*limit {
		t.Errorf("%d bytes are reserved for a text of at most %d", cap(body.out), limit)
	}
}
