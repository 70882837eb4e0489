package render

import (
	"bytes"
	"encoding/binary"
	"image"
)

// jpegHead is what the segments before the pixels of a JPEG tell.
type jpegHead struct {
	orientation int
	framed      bool // the frame's segment was found
	progressive bool
	components  int
	converted   bool // the pixels are brought into another form at the end
}

// perPixel is what decoding may take of memory.
func (h jpegHead) perPixel() int64 {
	if !h.framed {
		h = jpegHead{progressive: true, components: 4, converted: true}
	}
	n := h.components
	if h.progressive { // all coefficients are kept
		n += 4 * h.components
	}
	if h.converted || h.components > 3 {
		n += 4
	}
	return int64(max(n, 4))
}

// readJPEGHead walks the segments up to the pixels, and overlooks what the
// decoder overlooks.
func readJPEGHead(data []byte) jpegHead {
	h := jpegHead{orientation: 1}
	for i := 2; i+4 <= len(data); {
		marker := data[i+1]
		switch {
		case data[i] != 0xff, marker == 0xff: // stray, or padding
			i++
			continue
		case marker == 0x00, marker == 0x01, marker >= 0xd0 && marker <= 0xd8: // have no length
			i += 2
			continue
		case marker == 0xd9 || marker == 0xda: // the end, or pixels
			return h
		}
		n := int(binary.BigEndian.Uint16(data[i+2:]))
		if n < 2 || i+2+n > len(data) {
			return h
		}
		segment := data[i+4 : i+2+n]
		switch {
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			h.progressive = marker != 0xc0 && marker != 0xc1
			if len(segment) > 5 {
				h.framed, h.components = true, int(segment[5])
			}
			h.converted = h.converted || len(segment) > 12 && segment[6] == 'R' && segment[9] == 'G' && segment[12] == 'B'
		case marker == 0xee && len(segment) > 11 && string(segment[:5]) == "Adobe":
			h.converted = h.converted || segment[11] == 0
		case marker == 0xe1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")):
			if o := exifOrientation(segment[6:]); o != 0 {
				h.orientation = o
			}
		}
		i += 2 + n
	}
	return h
}

// exifOrientation finds the tag 0x0112 in the first directory of TIFF data. It
// is 1 to 8, or 0 where there is none.
func exifOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := int64(order.Uint32(tiff[4:]))
	if at < 8 || at+2 > int64(len(tiff)) {
		return 0
	}
	entries := int64(order.Uint16(tiff[at:]))
	const short, entrySize = 3, 12
	for e := at + 2; entries > 0 && e+entrySize <= int64(len(tiff)); e, entries = e+entrySize, entries-1 {
		if order.Uint16(tiff[e:]) != 0x0112 {
			continue
		}
		o := int(order.Uint16(tiff[e+8:]))
		if order.Uint16(tiff[e+2:]) == short && o >= 1 && o <= 8 {
			return o
		}
		return 0
	}
	return 0
}

// transposed tells the orientations in which rows are columns.
func transposed(orientation int) bool { return orientation >= 5 }

// stored is where the file keeps what people see at (x, y) of an upright
// picture of w by h pixels.
func stored(orientation, x, y, w, h int) (int, int) {
	switch orientation {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return y, w - 1 - x
	case 7:
		return h - 1 - y, w - 1 - x
	case 8:
		return h - 1 - y, x
	default:
		return x, y
	}
}

// storedRect is stored of a rectangle.
func storedRect(orientation int, r image.Rectangle, w, h int) image.Rectangle {
	x0, y0 := stored(orientation, r.Min.X, r.Min.Y, w, h)
	x1, y1 := stored(orientation, r.Max.X-1, r.Max.Y-1, w, h)
	return image.Rect(min(x0, x1), min(y0, y1), max(x0, x1)+1, max(y0, y1)+1)
}

// upright turns a picture that is stored in an orientation.
func upright(m *image.RGBA, orientation int) *image.RGBA {
	if orientation == 1 {
		return m
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	if transposed(orientation) {
		w, h = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			sx, sy := stored(orientation, x, y, w, h)
			copy(out.Pix[y*out.Stride+4*x:][:4], m.Pix[sy*m.Stride+4*sx:][:4])
		}
	}
	return out
}
