package render

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// onePixel is a picture that is often met: the checksum of its pixels is wrong.
const onePixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+/p94AAAAASUVORK5CYII="

func TestWrongChecksums(t *testing.T) {
	t.Parallel()
	data, err := base64.StdEncoding.DecodeString(onePixel)
	if err != nil {
		t.Fatal(err)
	}
	head := bytes.Clone(data)
	head[30] ^= 1 // in the checksum of the head, too
	for name, data := range map[string][]byte{"pixels": data, "head": head} {
		p, err := inspect(data)
		if err != nil || p.width != 1 || p.height != 1 {
			t.Fatalf("%s: %+v, %v", name, p, err)
		}
		if m, err := p.decode(); err != nil || m.Bounds().Dx() != 1 {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	if got := rightChecksums(data); len(got) != len(data) || bytes.Equal(got, data) {
		t.Errorf("%x", got)
	}
	for n := range len(data) { // cut anywhere
		if got := rightChecksums(data[:n]); len(got) != n {
			t.Errorf("%d bytes of %d", len(got), n)
		}
	}
}
