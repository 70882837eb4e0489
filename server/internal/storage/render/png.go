package render

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
)

// badChecksum is what the decoder says of a chunk whose checksum is wrong.
const badChecksum = png.FormatError("invalid checksum")

// decodePNG reads pixels whatever the checksums of their chunks are: there are
// pictures about whose checksums were never right, and browsers show them.
func decodePNG(data []byte) (image.Image, error) {
	m, err := png.Decode(bytes.NewReader(data))
	if errors.Is(err, badChecksum) {
		m, err = png.Decode(bytes.NewReader(rightChecksums(data)))
	}
	return m, err
}

// pngConfig reads the head of a PNG in the same way.
func pngConfig(data []byte) (image.Config, error) {
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if errors.Is(err, badChecksum) {
		c, err = png.DecodeConfig(bytes.NewReader(rightChecksums(data)))
	}
	return c, err
}

// pngPerPixel is what decoding a PNG, whose head is good, may take per pixel.
func pngPerPixel(data []byte) int64 {
	const depthAt, interlaceAt = 24, 28
	n := int64(4)
	if data[depthAt] == 16 {
		n = 8
	}
	if data[interlaceAt] != 0 { // each pass is a picture as well
		n *= 2
	}
	return n
}

// rightChecksums is a copy of a PNG with the checksum of each whole chunk made
// right.
func rightChecksums(data []byte) []byte {
	const signature, frame = 8, 12 // a chunk's length, type and checksum
	fixed := bytes.Clone(data)
	for rest := fixed[min(signature, len(fixed)):]; len(rest) >= frame; {
		n := int64(binary.BigEndian.Uint32(rest))
		if n > int64(len(rest)-frame) {
			break
		}
		end := 8 + int(n)
		binary.BigEndian.PutUint32(rest[end:], crc32.ChecksumIEEE(rest[4:end]))
		rest = rest[end+4:]
	}
	return fixed
}
