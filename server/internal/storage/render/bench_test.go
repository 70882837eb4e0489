package render

import (
	"image"
	"math/rand/v2"
	"testing"
)

// noise is a picture that nothing can compress.
func noise(w, h int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = byte(rand.Uint32())
	}
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
	return m
}

// BenchmarkRender is a photograph of 12 megapixels made small, and the largest
// results of each format.
func BenchmarkRender(b *testing.B) {
	photo, large := encoded(b, JPEG, noise(4000, 3000)), encoded(b, PNG, noise(2000, 2000))
	for _, c := range []struct {
		name string
		data []byte
		o    Options
	}{
		{"photo to 200", photo, Options{Width: 200, Height: 200}},
		{"photo to 2000", photo, Options{Width: 2000, Height: 2000, Resize: Contain}},
		{"2000 to JPEG", encoded(b, JPEG, noise(2000, 2000)), Options{}},
		{"2000 to PNG", large, Options{}},
		{"2000 to WebP", large, Options{Format: WebP}},
		{"2000 to GIF", encoded(b, GIF, noise(2000, 2000)), Options{Width: 1999, Height: 1999}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rendered(b, c.data, c.o)
			}
		})
	}
}
