package render

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/jpeg"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// Format is a format of pictures.
type Format string

// The formats.
const (
	JPEG Format = "jpeg"
	PNG  Format = "png"
	GIF  Format = "gif"
	WebP Format = "webp"
	BMP  Format = "bmp"
	SVG  Format = "svg" // is answered as it is: it fits every size
)

// Type is the media type of a format.
func (f Format) Type() string {
	if f == SVG {
		return "image/svg+xml"
	}
	return "image/" + string(f)
}

// picture is an encoded picture whose head has been read. Width and height are
// those that people see, after the orientation that a camera noted.
type picture struct {
	data          []byte
	format        Format
	width, height int
	orientation   int // of EXIF, 1 is upright
	perPixel      int64
}

// inspect reads the head of a picture.
func inspect(data []byte) (*picture, error) {
	p := &picture{data: data, orientation: 1, perPixel: 4}
	var (
		c   image.Config
		err error
	)
	r := bytes.NewReader(data)
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		p.format = JPEG
		h := readJPEGHead(data)
		p.orientation, p.perPixel = h.orientation, h.perPixel()
		c, err = jpeg.DecodeConfig(r)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		p.format = PNG
		if c, err = pngConfig(data); err == nil {
			p.perPixel = pngPerPixel(data)
		}
	case bytes.HasPrefix(data, []byte("GIF8")):
		p.format, p.perPixel = GIF, 5
		c, err = gif.DecodeConfig(r)
	case len(data) > 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		p.format, p.perPixel = WebP, 9
		c, err = webp.DecodeConfig(r)
	case bytes.HasPrefix(data, []byte("BM")):
		p.format = BMP
		c, err = bmp.DecodeConfig(r)
	case isSVG(data):
		p.format = SVG
		return p, nil
	default:
		return nil, ErrUnsupported
	}
	if err == nil && (c.Width <= 0 || c.Height <= 0) {
		err = errors.New("no pixels")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	p.width, p.height = c.Width, c.Height
	if transposed(p.orientation) {
		p.width, p.height = p.height, p.width
	}
	return p, nil
}

// cost is what decoding may take of memory, in bytes.
func (p *picture) cost() int64 {
	return int64(len(p.data)) + int64(p.width)*int64(p.height)*p.perPixel
}

// decode reads the pixels. They are as the file has them, not yet upright.
func (p *picture) decode() (m image.Image, err error) {
	r := bytes.NewReader(p.data)
	switch p.format {
	case JPEG:
		m, err = jpeg.Decode(r)
	case PNG:
		m, err = decodePNG(p.data)
	case GIF:
		m, err = p.firstFrame(r)
	case WebP:
		m, err = webp.Decode(r)
	case BMP:
		m, err = bmp.Decode(r)
	default:
		return nil, ErrUnsupported
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if b := m.Bounds(); transposed(p.orientation) && (b.Dx() != p.height || b.Dy() != p.width) ||
		!transposed(p.orientation) && (b.Dx() != p.width || b.Dy() != p.height) {
		return nil, fmt.Errorf("%w: the size is not the one its head tells", ErrUnsupported)
	}
	return m, nil
}

// firstFrame is the first frame of a GIF, on its screen.
func (p *picture) firstFrame(r *bytes.Reader) (image.Image, error) {
	m, err := gif.Decode(r)
	if err != nil {
		return nil, err
	}
	screen := image.Rect(0, 0, p.width, p.height)
	if m.Bounds() == screen {
		return m, nil
	}
	whole := image.NewRGBA(screen)
	draw.Draw(whole, m.Bounds(), m, m.Bounds().Min, draw.Src)
	return whole, nil
}

// isSVG tells a document whose first element is svg.
func isSVG(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for {
		data = bytes.TrimLeft(data, " \t\r\n")
		var end string
		switch {
		case bytes.HasPrefix(data, []byte("<svg")):
			return len(data) > 4 && bytes.IndexByte([]byte(" \t\r\n>/"), data[4]) >= 0
		case bytes.HasPrefix(data, []byte("<?xml")):
			end = "?>"
		case bytes.HasPrefix(data, []byte("<!--")):
			end = "-->"
		case bytes.HasPrefix(data, []byte("<!DOCTYPE svg")):
			end = ">"
		default:
			return false
		}
		_, rest, ok := bytes.Cut(data, []byte(end))
		if !ok {
			return false
		}
		data = rest
	}
}
