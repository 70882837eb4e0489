package render

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/bmp"
)

// encode writes a picture that was made of src.
func encode(m *image.RGBA, src image.Image, f Format, quality int) ([]byte, error) {
	if quality <= 0 {
		quality = DefaultQuality
	}
	var (
		out = image.Image(m)
		b   bytes.Buffer
		err error
	)
	switch src.(type) {
	case *image.Gray, *image.Gray16:
		gray := image.NewGray(m.Rect)
		draw.Draw(gray, gray.Rect, m, image.Point{}, draw.Src)
		out = gray
	}
	switch f {
	case JPEG:
		err = jpeg.Encode(&b, out, &jpeg.Options{Quality: quality})
	case PNG:
		err = png.Encode(&b, out)
	case GIF:
		err = gif.Encode(&b, paletted(m, src), nil)
	case WebP:
		// without loss: there is no encoder in Go for the other kind
		plain := image.NewNRGBA(m.Rect)
		draw.Draw(plain, plain.Rect, m, image.Point{}, draw.Src)
		return encodeWebP(plain)
	case BMP:
		err = bmp.Encode(&b, out)
	default:
		err = fmt.Errorf("%q is not written", f)
	}
	return b.Bytes(), err
}

// paletted takes a picture to the colours of the one it was made of.
func paletted(m *image.RGBA, src image.Image) *image.Paletted {
	colors := color.Palette{color.Transparent, color.Black, color.White}
	if p, ok := src.(*image.Paletted); ok && len(p.Palette) > 0 {
		colors = p.Palette
	} else {
		for r := 0; r < 6; r++ {
			for g := 0; g < 6; g++ {
				for b := 0; b < 6; b++ {
					colors = append(colors, color.RGBA{uint8(51 * r), uint8(51 * g), uint8(51 * b), 255})
				}
			}
		}
	}
	out := image.NewPaletted(m.Rect, colors)
	draw.FloydSteinberg.Draw(out, out.Rect, m, image.Point{})
	return out
}
