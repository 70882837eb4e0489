package render

import (
	"bytes"
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/image/webp"
)

// same encodes a picture and compares what a decoder makes of it.
func same(t *testing.T, name string, m *image.NRGBA) int {
	t.Helper()
	data, err := encodeWebP(m)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	back, ok := got.(*image.NRGBA)
	if !ok || back.Rect.Size() != m.Rect.Size() {
		t.Fatalf("%s: %T of %v", name, got, got.Bounds())
	}
	if !slices.Equal(back.Pix, m.Pix) {
		t.Errorf("%s: other pixels", name)
	}
	return len(data)
}

// TestWebP: what is encoded is decoded to the same pixels, whatever they are.
func TestWebP(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{1, 1}, {2, 1}, {1, 2}, {3, 7}, {32, 32}, {33, 65}, {257, 31}, {1, 5000}, {5000, 1}, {16384, 2}} {
		random, flat, few, steep := image.NewNRGBA(image.Rectangle{Max: size}), image.NewNRGBA(image.Rectangle{Max: size}), image.NewNRGBA(image.Rectangle{Max: size}), image.NewNRGBA(image.Rectangle{Max: size})
		for i := range random.Pix {
			random.Pix[i] = byte(rand.Uint32())
			flat.Pix[i] = []byte{200, 100, 50, 255}[i%4]
			few.Pix[i] = byte(rand.Uint32N(16) / 15 * 255)
			// counts that halve from one value to the next, for the longest codes
			v := 0
			for v < 30 && rand.Uint32N(2) == 0 {
				v++
			}
			steep.Pix[i] = byte(v)
		}
		same(t, "random", random)
		same(t, "few colours", few)
		same(t, "steep", steep)
		if n := same(t, "flat", flat); n > 200 {
			t.Errorf("a flat picture of %v takes %d bytes", size, n)
		}
	}
	soft := image.NewNRGBA(image.Rect(0, 0, 256, 256))
	for i := range 256 * 256 {
		soft.SetNRGBA(i%256, i/256, color.NRGBA{uint8(i % 256), uint8(i / 256), uint8((i%256 + i/256) / 2), 255})
	}
	if n := same(t, "soft", soft); n > 30_000 {
		t.Errorf("a gradient takes %d bytes", n)
	}
	if _, err := encodeWebP(image.NewNRGBA(image.Rect(0, 0, maxWebPSide+1, 1))); err == nil {
		t.Error("a side that WebP does not have")
	}
}

// TestCodeLengths: no code is longer than it may be, and all fit together.
func TestCodeLengths(t *testing.T) {
	t.Parallel()
	for _, counts := range [][]int{{}, {0, 0, 5}, {1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072}} {
		counts = append(counts, make([]int, 19-len(counts))...)
		for _, most := range []int{7, 15} {
			space := 0
			for _, l := range lengthsOf(counts, most) {
				if l > most {
					t.Errorf("%v: a code of %d bits", counts, l)
				}
				if l > 0 {
					space += 1 << (15 - l)
				}
			}
			if space != 1<<15 {
				t.Errorf("%v: %d of %d", counts, space, 1<<15)
			}
		}
	}
}

func FuzzWebP(f *testing.F) {
	f.Add([]byte("some pixels, or what is taken for them"), 3)
	f.Add(bytes.Repeat([]byte{0, 0, 0, 255}, 300), 20)
	f.Fuzz(func(t *testing.T, pix []byte, w int) {
		w = 1 + abs(w%100)
		h := len(pix) / 4 / w
		if h < 1 {
			return
		}
		same(t, "fuzzed", &image.NRGBA{Pix: pix[:4*w*h], Stride: 4 * w, Rect: image.Rect(0, 0, w, h)})
	})
}
