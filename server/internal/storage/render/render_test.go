package render

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"sync"
	"testing"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// quarters is a picture of four colours: red, green; blue, white.
func quarters(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, quarterColors[y*2/h][x*2/w])
		}
	}
	return m
}

var (
	red, green    = color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}
	blue, white   = color.NRGBA{0, 0, 255, 255}, color.NRGBA{255, 255, 255, 255}
	quarterColors = [2][2]color.NRGBA{{red, green}, {blue, white}}
)

func encoded(t testing.TB, f Format, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch f {
	case JPEG:
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 95})
	case PNG:
		err = png.Encode(&b, m)
	case GIF:
		err = gif.Encode(&b, m, nil)
	case WebP:
		plain := image.NewNRGBA(m.Bounds())
		draw.Draw(plain, plain.Rect, m, m.Bounds().Min, draw.Src)
		data, err := encodeWebP(plain)
		if err != nil {
			t.Fatal(err)
		}
		return data
	case BMP:
		err = bmp.Encode(&b, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoded(t testing.TB, r *Result) image.Image {
	t.Helper()
	decode := map[Format]func(*bytes.Reader) (image.Image, error){
		JPEG: func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) },
		PNG:  func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) },
		GIF:  func(r *bytes.Reader) (image.Image, error) { return gif.Decode(r) },
		WebP: func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) },
		BMP:  func(r *bytes.Reader) (image.Image, error) { return bmp.Decode(r) },
	}[r.Format]
	m, err := decode(bytes.NewReader(r.Data))
	if err != nil {
		t.Fatalf("the result is no %s: %v", r.Format, err)
	}
	return m
}

func of(data []byte) func() ([]byte, error) { return func() ([]byte, error) { return data, nil } }

func rendered(t testing.TB, data []byte, o Options) *Result {
	t.Helper()
	r, err := New(Limits{}).Render(context.Background(), int64(len(data)), of(data), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// looks compares the corners of a picture with colours: those above, from the
// left, then those below.
func looks(t *testing.T, m image.Image, want ...color.NRGBA) {
	t.Helper()
	b := m.Bounds()
	at := []image.Point{{b.Min.X, b.Min.Y}, {b.Max.X - 1, b.Min.Y}, {b.Min.X, b.Max.Y - 1}, {b.Max.X - 1, b.Max.Y - 1}}
	for i, p := range at {
		r, g, b, a := m.At(p.X, p.Y).RGBA()
		w := want[i]
		if far(r, w.R) || far(g, w.G) || far(b, w.B) || far(a, w.A) {
			t.Errorf("at %v: %d %d %d %d, not %v", p, r>>8, g>>8, b>>8, a>>8, w)
		}
	}
}

func far(got uint32, want uint8) bool { return abs(int(got>>8)-int(want)) > 40 }

// TestLayout: the sizes are those of the platform's renderer.
func TestLayout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		w, h int
		o    Options
		want string
	}{
		{400, 200, Options{}, "400x200 whole"},
		{6000, 3000, Options{}, "3000x1500 whole"},
		{100, 16384, Options{}, "50x8192 whole"},
		{400, 200, Options{Width: 100, Height: 100, Resize: Cover}, "200x100 (50,0)-(150,100)"},
		{400, 200, Options{Width: 100, Height: 100, Resize: Contain}, "100x50 whole"},
		{400, 200, Options{Width: 100, Height: 100, Resize: Fill}, "100x100 whole"},
		{400, 200, Options{Width: 100, Height: 100}, "200x100 (50,0)-(150,100)"},
		// a side that is not named is as long as the longest: what covers that is not scaled
		{400, 200, Options{Width: 100}, "400x200 (150,0)-(250,200)"},
		{5712, 4284, Options{Width: 2500}, "5712x4284 (1606,0)-(4106,4284)"},
		{400, 200, Options{Height: 100}, "400x200 (0,50)-(400,150)"},
		{400, 200, Options{Width: 100, Resize: Contain}, "100x50 whole"},
		{400, 200, Options{Height: 100, Resize: Contain}, "200x100 whole"},
		// nothing becomes larger
		{100, 100, Options{Width: 300, Height: 50, Resize: Cover}, "100x100 (0,25)-(100,75)"},
		{100, 100, Options{Width: 300, Height: 300, Resize: Cover}, "100x100 whole"},
		{100, 100, Options{Width: 300, Height: 300, Resize: Contain}, "100x100 whole"},
		{100, 100, Options{Width: 200, Height: 50, Resize: Fill}, "100x25 whole"},
		{1000, 1, Options{Width: 10, Resize: Contain}, "10x1 whole"},
		{400, 200, Options{Width: 100, Height: 100, Gravity: Gravity{Kind: "we"}}, "200x100 (0,0)-(100,100)"},
		{400, 200, Options{Width: 100, Height: 100, Gravity: Gravity{Kind: "ea", X: 10}}, "200x100 (90,0)-(190,100)"},
		{400, 200, Options{Width: 100, Height: 100, Gravity: Gravity{Kind: "nowe", X: 0.25}}, "200x100 (50,0)-(150,100)"},
		{200, 400, Options{Width: 100, Height: 100, Gravity: Gravity{Kind: "so"}}, "100x200 (0,100)-(100,200)"},
		{200, 400, Options{Width: 100, Height: 100, Gravity: Gravity{Kind: "no", Y: 1e300}}, "100x200 (0,100)-(100,200)"},
		{400, 200, Options{Width: 100, Height: 100, Gravity: Gravity{Kind: Focal, X: 0, Y: 1}}, "200x100 (0,0)-(100,100)"},
		{400, 200, Options{Width: 100, Height: 100, Gravity: Gravity{Kind: Focal, X: 0.6, Y: 0.5}}, "200x100 (70,0)-(170,100)"},
	} {
		l := (&picture{width: c.w, height: c.h}).layout(c.o)
		got := fmt.Sprintf("%dx%d %v", l.width, l.height, l.crop)
		if !l.crops() {
			got = fmt.Sprintf("%dx%d whole", l.width, l.height)
		}
		if got != c.want {
			t.Errorf("%dx%d, %+v: %s, not %s", c.w, c.h, c.o, got, c.want)
		}
	}
}

// TestFormats: every format is read, scaled and written, and is made WebP.
func TestFormats(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{JPEG, PNG, GIF, WebP, BMP} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			data := encoded(t, f, quarters(80, 40))
			for _, want := range []Format{f, WebP} {
				o := Options{Width: 20, Height: 20, Resize: Contain}
				if want != f {
					o.Format = want
				}
				r := rendered(t, data, o)
				m := decoded(t, r)
				if r.Format != want || m.Bounds().Dx() != 20 || m.Bounds().Dy() != 10 {
					t.Errorf("%s of %v", r.Format, m.Bounds())
				}
				looks(t, m, red, green, blue, white)
			}
			whole := rendered(t, data, Options{})
			looks(t, decoded(t, whole), red, green, blue, white)
			if kept := bytes.Equal(whole.Data, data); !kept && (f == GIF || f == WebP) {
				t.Error("was encoded again although there is nothing to do")
			}
		})
	}
	accepted := Options{AcceptsWebP: true}
	if r := rendered(t, encoded(t, PNG, quarters(8, 8)), accepted); r.Format != WebP {
		t.Errorf("PNG for a client that takes WebP: %s", r.Format)
	}
	if r := rendered(t, encoded(t, JPEG, quarters(8, 8)), accepted); r.Format != JPEG {
		t.Errorf("JPEG for a client that takes WebP: %s", r.Format)
	}
}

// TestScale: what is of one colour stays so, transparent edges do not darken,
// and a fine pattern becomes its mean.
func TestScale(t *testing.T) {
	t.Parallel()
	half := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	fine := image.NewGray(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			if x < 32 {
				half.SetNRGBA(x, y, red)
			}
			if (x+y)%2 == 0 {
				fine.SetGray(x, y, color.Gray{255})
			}
		}
	}
	m := decoded(t, rendered(t, encoded(t, PNG, half), Options{Width: 16, Height: 16, Resize: Fill})).(*image.NRGBA)
	for x := range 16 {
		if c := m.NRGBAAt(x, 5); c.A > 16 && (c.R < 250 || c.G != 0 || c.B != 0) {
			t.Errorf("at %d: %v", x, c)
		}
	}
	g, ok := decoded(t, rendered(t, encoded(t, PNG, fine), Options{Width: 8, Height: 8, Resize: Fill})).(*image.Gray)
	if !ok {
		t.Fatal("gray has become coloured")
	}
	for _, v := range g.Pix {
		if abs(int(v)-128) > 3 {
			t.Errorf("a fine pattern becomes %d", v)
		}
	}
	// one colour, odd sizes
	flat := image.NewNRGBA(image.Rect(0, 0, 37, 53))
	for i := range flat.Pix {
		flat.Pix[i] = []byte{10, 200, 90, 255}[i%4]
	}
	for _, size := range [][2]int{{1, 1}, {36, 52}, {7, 53}, {37, 5}} {
		m := decoded(t, rendered(t, encoded(t, PNG, flat), Options{Width: size[0], Height: size[1], Resize: Fill}))
		if m.Bounds().Dx() != size[0] || m.Bounds().Dy() != size[1] {
			t.Errorf("%v, not %v", m.Bounds(), size)
		}
		for y := range size[1] {
			for x := range size[0] {
				if r, g, b, a := m.At(x, y).RGBA(); r>>8 != 10 || g>>8 != 200 || b>>8 != 90 || a>>8 != 255 {
					t.Fatalf("%v at %d %d: %d %d %d %d", size, x, y, r>>8, g>>8, b>>8, a>>8)
				}
			}
		}
	}
}

// withOrientation puts an EXIF segment into a JPEG.
func withOrientation(data []byte, order binary.AppendByteOrder, o int) []byte {
	tiff := []byte("II*\x00")
	if order.String() == "BigEndian" {
		tiff = []byte("MM\x00*")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, tag := range [][2]uint16{{0x0100, 7}, {0x0112, uint16(o)}} {
		tiff = order.AppendUint16(tiff, tag[0])
		tiff = order.AppendUint16(tiff, 3)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, tag[1])
		tiff = append(tiff, 0, 0)
	}
	segment := append([]byte("Exif\x00\x00"), tiff...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(segment)+2))
	return append(append(head, segment...), data[2:]...)
}

// TestOrientation: pictures come out upright, whole and cropped.
func TestOrientation(t *testing.T) {
	t.Parallel()
	data := encoded(t, JPEG, quarters(80, 40))
	for o, want := range map[int][]color.NRGBA{
		1: {red, green, blue, white}, 2: {green, red, white, blue}, 3: {white, blue, green, red}, 4: {blue, white, red, green},
		5: {red, blue, green, white}, 6: {blue, red, white, green}, 7: {white, green, blue, red}, 8: {green, white, red, blue},
	} {
		turned := withOrientation(data, binary.LittleEndian, o)
		if o%2 == 0 {
			turned = withOrientation(data, binary.BigEndian, o)
		}
		w, h := 80, 40
		if o >= 5 {
			w, h = h, w
		}
		for _, size := range []image.Point{{w, h}, {w / 2, h / 2}} {
			m := decoded(t, rendered(t, turned, Options{Width: size.X, Height: size.Y, Resize: Fill}))
			if m.Bounds().Size() != size {
				t.Errorf("orientation %d: %v, not %v", o, m.Bounds(), size)
			}
			looks(t, m, want...)
		}
		// the left upper corner of what is seen
		m := decoded(t, rendered(t, turned, Options{Width: 8, Height: 8, Gravity: Gravity{Kind: "nowe"}}))
		if o >= 5 {
			looks(t, m, want[0], want[1], want[0], want[1])
		} else {
			looks(t, m, want[0], want[0], want[2], want[2])
		}
	}
	for _, broken := range []string{"", "II*\x00", "II*\x00\xff\xff\xff\xff\x01\x00", "MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12\x00\x03", "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x09\x00\x00\x00"} {
		if o := exifOrientation([]byte(broken)); o != 0 {
			t.Errorf("%q: %d", broken, o)
		}
	}
}

// TestSmartGravity: what is to be seen stays.
func TestSmartGravity(t *testing.T) {
	t.Parallel()
	m := image.NewGray(image.Rect(0, 0, 400, 100))
	for y := range 100 {
		for x := 300; x < 400; x++ {
			m.SetGray(x, y, color.Gray{uint8(255 * (x / 10 % 2))})
		}
	}
	out := decoded(t, rendered(t, encoded(t, PNG, m), Options{Width: 100, Height: 100, Gravity: Gravity{Kind: Smart}}))
	sum := 0
	for x := range 100 {
		r, _, _, _ := out.At(x, 50).RGBA()
		sum += int(r >> 8)
	}
	if mean := sum / 100; mean < 90 {
		t.Errorf("the mean of what stays is %d: not the part with the stripes", mean)
	}
}

func TestSVG(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`<svg xmlns="http://www.w3.org/2000/svg"/>`, "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- a -->\n<!DOCTYPE svg PUBLIC \"x\">\n<svg>\n</svg>"} {
		if r := rendered(t, []byte(text), Options{Width: 10}); r.Format != SVG || string(r.Data) != text {
			t.Errorf("%q: %s %q", text, r.Format, r.Data)
		}
	}
}

// TestTurns: no more pictures are worked on than may be, and who waits for
// long is told so.
func TestTurns(t *testing.T) {
	t.Parallel()
	data := encoded(t, PNG, quarters(20, 20))
	r := New(Limits{Parallel: 2, Wait: 50 * time.Millisecond})
	var inside, most int
	var mu sync.Mutex
	release := make(chan struct{})
	entered := make(chan struct{}, 2)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			_, err := r.Render(context.Background(), -1, func() ([]byte, error) {
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				entered <- struct{}{}
				<-release
				return data, nil
			}, Options{Width: 5})
			if err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	<-entered
	if _, err := r.Render(t.Context(), -1, of(data), Options{}); !errors.Is(err, ErrBusy) {
		t.Errorf("a third one: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Render(gone, -1, of(data), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that is gone: %v", err)
	}
	close(release)
	wg.Wait()
	if _, err := r.Render(t.Context(), -1, of(data), Options{}); err != nil || most != 2 {
		t.Errorf("afterwards: %v; at once: %d", err, most)
	}
	// all of the memory is taken
	tight := New(Limits{MaxMemory: 8000, Wait: 10 * time.Millisecond})
	if err := tight.memory.Acquire(t.Context(), 7000); err != nil {
		t.Fatal(err)
	}
	if _, err := tight.Render(t.Context(), -1, of(data), Options{Width: 5, Height: 5}); !errors.Is(err, ErrBusy) {
		t.Errorf("without memory: %v", err)
	}
}
