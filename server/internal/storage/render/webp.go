package render

import (
	"encoding/binary"
	"errors"
	"image"
	"math/bits"
)

// maxWebPSide is the longest side that WebP has.
const maxWebPSide = 1 << 14

// encodeWebP writes a picture as WebP without loss (VP8L): the green is taken
// from red and blue, each pixel is predicted by its neighbours, runs are
// copied, and what remains is Huffman coded.
func encodeWebP(m *image.NRGBA) ([]byte, error) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	if w < 1 || h < 1 || w > maxWebPSide || h > maxWebPSide {
		return nil, errors.New("the sides are not from 1 to 16384")
	}
	pixels, opaque := argb(m)
	b := &bitWriter{out: make([]byte, 20, 20+len(pixels))}
	b.write(0x2f, 8)
	b.write(uint64(w-1), 14)
	b.write(uint64(h-1), 14)
	b.write(map[bool]uint64{true: 0, false: 1}[opaque], 1)
	b.write(0, 3)

	const predictor, subtractGreen = 0, 2
	b.write(1, 1)
	b.write(subtractGreen, 2)
	for i, p := range pixels {
		g := p >> 8 & 0xff
		pixels[i] = p&0xff00ff00 | (p-g)&0xff | (p>>16-g)&0xff<<16
	}
	b.write(1, 1)
	b.write(predictor, 2)
	b.write(tileBits-2, 3)
	modes, residuals, tiles := predict(pixels, w, h)
	b.write(0, 1) // no colour cache
	b.image(modes, tiles)
	b.write(0, 1) // no further transform
	b.write(0, 1) // no colour cache
	b.write(0, 1) // one group of codes
	b.image(residuals, w)
	b.flush()

	size := len(b.out) - 20
	if size%2 == 1 {
		b.out = append(b.out, 0)
	}
	copy(b.out, "RIFF")
	binary.LittleEndian.PutUint32(b.out[4:], uint32(len(b.out)-8))
	copy(b.out[8:], "WEBPVP8L")
	binary.LittleEndian.PutUint32(b.out[16:], uint32(size))
	return b.out, nil
}

// argb is the pixels in the order that WebP counts their channels in.
func argb(m *image.NRGBA) (pixels []uint32, opaque bool) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	pixels, opaque = make([]uint32, 0, w*h), true
	for y := range h {
		row := m.Pix[y*m.Stride:][:4*w]
		for x := 0; x < len(row); x += 4 {
			pixels = append(pixels, uint32(row[x+3])<<24|uint32(row[x])<<16|uint32(row[x+1])<<8|uint32(row[x+2]))
			opaque = opaque && row[x+3] == 0xff
		}
	}
	return pixels, opaque
}

// tileBits is the size of the tiles that have a predictor each, 32 pixels.
const tileBits = 5

// The predictors that are tried, by their numbers in the format.
var predictors = []int{1, 2, 7, 11, 12}

// predict takes from each pixel what its neighbours let expect. Each tile has
// the predictor that leaves least.
func predict(pixels []uint32, w, h int) (modes, residuals []uint32, tiles int) {
	tiles = (w + 1<<tileBits - 1) >> tileBits
	residuals = make([]uint32, len(pixels))
	for ty := 0; ty < h; ty += 1 << tileBits {
		for tx := 0; tx < w; tx += 1 << tileBits {
			best, least := 0, int(^uint(0)>>1)
			for _, mode := range predictors {
				left := 0
				for y := ty; y < min(ty+1<<tileBits, h); y++ {
					for x := tx; x < min(tx+1<<tileBits, w); x++ {
						left += weight(minus(pixels[y*w+x], expected(pixels, w, x, y, mode)))
					}
				}
				if left < least {
					best, least = mode, left
				}
			}
			modes = append(modes, 0xff000000|uint32(best)<<8)
			for y := ty; y < min(ty+1<<tileBits, h); y++ {
				for x := tx; x < min(tx+1<<tileBits, w); x++ {
					residuals[y*w+x] = minus(pixels[y*w+x], expected(pixels, w, x, y, best))
				}
			}
		}
	}
	return modes, residuals, tiles
}

// expected is what a predictor lets expect at (x, y). The edges have their own.
func expected(p []uint32, w, x, y, mode int) uint32 {
	i := y*w + x
	switch {
	case i == 0:
		return 0xff000000
	case y == 0:
		return p[i-1]
	case x == 0:
		return p[i-w]
	}
	l, t, tl := p[i-1], p[i-w], p[i-w-1]
	switch mode {
	case 1:
		return l
	case 2:
		return t
	case 7: // their mean
		return l&t + (l^t)&0xfefefefe>>1
	case 11: // the one that is nearer to left + top - top left
		if distance(t, tl) < distance(l, tl) {
			return l
		}
		return t
	default: // left + top - top left, within bounds
		var v uint32
		for s := 0; s < 32; s += 8 {
			c := int(l>>s&0xff) + int(t>>s&0xff) - int(tl>>s&0xff)
			v |= uint32(min(max(c, 0), 255)) << s
		}
		return v
	}
}

// minus is a - b in each channel.
func minus(a, b uint32) uint32 {
	const even, odd = 0x00ff00ff, 0xff00ff00
	return ((a|even)-b&odd)&odd | ((a|odd)-b&even)&even
}

// weight is how much a residual costs, about.
func weight(r uint32) (sum int) {
	for s := 0; s < 32; s += 8 {
		sum += abs(int(int8(r >> s)))
	}
	return sum
}

func distance(a, b uint32) (sum int) {
	for s := 0; s < 32; s += 8 {
		sum += abs(int(a>>s&0xff) - int(b>>s&0xff))
	}
	return sum
}

// token is a pixel, or a copy of length earlier ones.
type token struct {
	pixel  uint32
	length uint16 // 0 is a pixel
	above  bool   // copies from one row up, else from the left
}

const minCopy, maxCopy = 4, 4096

// tokens hands on the runs of an image, which are pixels like the one on their
// left, or like those above, and the pixels between them.
func tokens(pixels []uint32, w int, visit func(token)) {
	run := func(i, back int) (n int) {
		for i-back >= 0 && i+n < len(pixels) && n < maxCopy && pixels[i+n] == pixels[i+n-back] {
			n++
		}
		return n
	}
	for i := 0; i < len(pixels); {
		left, above := run(i, 1), run(i, w)
		n := max(left, above)
		if n < minCopy {
			visit(token{pixel: pixels[i]})
			i++
			continue
		}
		visit(token{length: uint16(n), above: above > left && w > 1})
		i += n
	}
}

// prefix is the code of a number from 1 on, with what follows it.
func prefix(n int) (code int, extra uint64, count int) {
	d := n - 1
	if d < 4 {
		return d, 0, 0
	}
	high := bits.Len(uint(d)) - 1
	count = high - 1
	return 2*high + d>>count&1, uint64(d & (1<<count - 1)), count
}

// The numbers of the distances "one row up" and "one to the left".
const oneUp, oneLeft = 1, 2

func (t token) distance() int {
	if t.above {
		return oneUp
	}
	return oneLeft
}

// shifts are where the channels of a pixel are, in the order of their codes:
// green, red, blue, alpha.
var shifts = [4]int{8, 16, 0, 24}

// image writes an image of rows of w pixels: its codes, then itself.
func (b *bitWriter) image(pixels []uint32, w int) {
	counts := [5][]int{make([]int, 280), make([]int, 256), make([]int, 256), make([]int, 256), make([]int, 40)}
	tokens(pixels, w, func(t token) {
		if t.length > 0 {
			code, _, _ := prefix(int(t.length))
			counts[0][256+code]++
			counts[4][t.distance()-1]++
			return
		}
		for c, shift := range shifts {
			counts[c][t.pixel>>shift&0xff]++
		}
	})
	var codes [5][]huffman
	for i := range counts {
		codes[i] = b.codes(counts[i])
	}
	tokens(pixels, w, func(t token) {
		if t.length > 0 {
			code, extra, n := prefix(int(t.length))
			b.code(codes[0][256+code])
			b.write(extra, n)
			b.code(codes[4][t.distance()-1])
			return
		}
		for c, shift := range shifts {
			b.code(codes[c][t.pixel>>shift&0xff])
		}
	})
}
