package render

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// pngHead is the beginning of a PNG of w by h pixels that has none.
func pngHead(w, h uint32) []byte {
	chunk := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	chunk = append(binary.BigEndian.AppendUint32(chunk, h), 8, 6, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(b, chunk...), crc32.ChecksumIEEE(chunk))
}

// TestBombs: what a small file would unpack to is known before it is, and
// nothing of it is made.
//
// It runs alone, because it measures what the whole process allocates.
func TestBombs(t *testing.T) {
	jpegOf := func(data []byte, w, h uint16) []byte { // with another size in its frame
		data = bytes.Clone(data)
		i := bytes.Index(data, []byte{0xff, 0xc0})
		binary.BigEndian.PutUint16(data[i+5:], h)
		binary.BigEndian.PutUint16(data[i+7:], w)
		return data
	}
	small := encoded(t, JPEG, quarters(16, 16))
	progressive := jpegOf(small, 6000, 6000)
	progressive[bytes.Index(progressive, []byte{0xff, 0xc0})+1] = 0xc2
	// behind what the decoder overlooks
	hidden := func(stray string) []byte {
		i := bytes.Index(progressive, []byte{0xff, 0xc2})
		return slices.Concat(progressive[:i], []byte(stray), progressive[i:])
	}
	deep := pngHead(7000, 7000)
	deep[24], deep[28] = 16, 1
	binary.BigEndian.PutUint32(deep[29:], crc32.ChecksumIEEE(deep[12:29]))
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"PNG of 4 gigapixels":      {pngHead(65535, 65535), ErrPixels},
		"PNG of 51 megapixels":     {pngHead(7150, 7150), ErrPixels},
		"long PNG":                 {pngHead(40_000_000, 1), ErrPixels},
		"JPEG":                     {jpegOf(small, 65535, 65535), ErrPixels},
		"progressive JPEG":         {progressive, ErrPixels},
		"JPEG behind a stray byte": {hidden("\x00"), ErrPixels},
		"JPEG behind stray bytes":  {hidden("stray\xff\x00"), ErrPixels},
		"JPEG behind a marker":     {hidden("\xff\xff\xd0"), ErrPixels},
		"deep PNG in passes":       {deep, ErrPixels},
		"GIF":                      {[]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"), ErrPixels},
		"WebP without loss":        {[]byte("RIFF\x12\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xff\xff\xff\x0f\x00"), ErrPixels},
		"WebP with a canvas":       {[]byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\x7f\x00\xff\x7f\x00"), ErrPixels},
		"PNG without pixels":       {pngHead(10, 10), ErrUnsupported},
		"nothing":                  {nil, ErrUnsupported},
		"text":                     {[]byte("not an image"), ErrUnsupported},
		"half a JPEG":              {small[:len(small)/2], ErrUnsupported},
		"HEIF":                     {[]byte("\x00\x00\x00\x10ftypmif1\x00\x00\x00\x00"), ErrUnsupported},
		"a page that is called so": {[]byte("<html><svg></svg></html>"), ErrUnsupported},
	} {
		before := allocated()
		_, err := New(Limits{}).Render(t.Context(), -1, of(c.data), Options{Width: 10})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, not %v", name, err, c.want)
		}
		if grown := allocated() - before; grown > 8<<20 {
			t.Errorf("%s: %d bytes were allocated", name, grown)
		}
	}
	opened := false
	_, err := New(Limits{MaxBytes: 100}).Render(t.Context(), 101, func() ([]byte, error) { opened = true; return nil, nil }, Options{})
	if !errors.Is(err, ErrBytes) || opened {
		t.Errorf("a large file: %v, opened: %t", err, opened)
	}
	if _, err := New(Limits{MaxBytes: 100}).Render(t.Context(), -1, of(make([]byte, 101)), Options{}); !errors.Is(err, ErrBytes) {
		t.Errorf("a large file of unknown size: %v", err)
	}
}

// allocated is what the process has allocated since it began.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func FuzzRender(f *testing.F) {
	for _, format := range []Format{JPEG, PNG, GIF, WebP, BMP} {
		f.Add(encoded(f, format, quarters(12, 8)), 5, 5, 0, "ce")
		f.Add(encoded(f, format, quarters(8, 12)), 100, 0, 3, "sm")
	}
	f.Add(withOrientation(encoded(f, JPEG, quarters(12, 8)), binary.BigEndian, 6), 3, 4, 1, "fp")
	f.Add([]byte(strings.Repeat("<!--", 9)), 1, 1, 2, "no")
	r := New(Limits{MaxPixels: 10_000, MaxBytes: 10_000})
	f.Fuzz(func(t *testing.T, data []byte, w, h, resize int, gravity string) {
		o := Options{Width: w % 3000, Height: h % 3000, Resize: Resize(abs(resize) % 4), Gravity: Gravity{Kind: GravityKind(gravity), X: 0.5, Y: 0.5}}
		got, err := r.Render(context.Background(), -1, of(data), o)
		if err != nil || got.Format == SVG || got.Format == WebP {
			return
		}
		b := decoded(t, got).Bounds()
		if o.Width > 0 && b.Dx() > o.Width || o.Height > 0 && b.Dy() > o.Height {
			t.Errorf("%v for %+v", b, o)
		}
	})
}
