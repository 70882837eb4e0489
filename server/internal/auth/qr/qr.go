// Package qr draws QR codes (ISO/IEC 18004) as SVG, for the secrets that
// authenticator apps read with their camera. It knows what that needs: bytes,
// error correction level M, all versions.
package qr

import (
	"fmt"
	"strconv"
	"strings"
)

const maxVersion = 40

// eccPerBlock and blockCount are the standard's table for level M, by version.
var (
	eccPerBlock = [maxVersion + 1]int{0, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
		26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28}
	blockCount = [maxVersion + 1]int{0, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16,
		17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49}
)

// rawModules is how many modules of a version carry data and correction.
func rawModules(version int) int {
	n := (16*version+128)*version + 64
	if version >= 2 {
		align := version/7 + 2
		n -= (25*align-10)*align - 55
		if version >= 7 {
			n -= 36
		}
	}
	return n
}

func dataCodewords(version int) int {
	return rawModules(version)/8 - eccPerBlock[version]*blockCount[version]
}

func lengthBits(version int) int {
	if version < 10 {
		return 8
	}
	return 16
}

// Code is a finished QR code.
type Code struct {
	size    int
	dark    []bool
	fixed   []bool // modules of the patterns, which are not masked
	version int
}

// MaxBytes is the longest text a code holds.
const MaxBytes = 2331

// Encode makes the smallest code that holds text.
func Encode(text string) (*Code, error) {
	version := 1
	for ; version <= maxVersion; version++ {
		if 4+lengthBits(version)+8*len(text) <= 8*dataCodewords(version) {
			break
		}
	}
	if version > maxVersion {
		return nil, fmt.Errorf("qr: %d bytes are more than the %d a code holds", len(text), MaxBytes)
	}
	c := &Code{version: version, size: 17 + 4*version}
	c.dark, c.fixed = make([]bool, c.size*c.size), make([]bool, c.size*c.size)
	c.drawPatterns()
	c.drawData(correct(version, pack(version, text)))
	c.chooseMask()
	return c, nil
}

// Size is the number of modules on a side, without the quiet zone.
func (c *Code) Size() int { return c.size }

// Dark reports whether the module in column x and row y is dark.
func (c *Code) Dark(x, y int) bool { return c.dark[y*c.size+x] }

// SVG draws the code with its quiet zone.
func (c *Code) SVG() string {
	const quiet = 4
	side := c.size + 2*quiet
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" version="1.1" viewBox="0 0 %[1]d %[1]d" width="%[2]d" height="%[2]d" shape-rendering="crispEdges">`, side, 4*side)
	fmt.Fprintf(&b, `<rect width="%[1]d" height="%[1]d" fill="#fff"/><path fill="#000" d="`, side)
	for y := range c.size {
		for x := 0; x < c.size; x++ {
			if !c.Dark(x, y) {
				continue
			}
			run := 1
			for x+run < c.size && c.Dark(x+run, y) {
				run++
			}
			b.WriteString("M" + strconv.Itoa(x+quiet) + " " + strconv.Itoa(y+quiet) + "h" + strconv.Itoa(run) + "v1h-" + strconv.Itoa(run) + "z")
			x += run
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String()
}

// pack puts text into the data codewords: mode, length, bytes, padding.
func pack(version int, text string) []byte {
	capacity := dataCodewords(version)
	out := make([]byte, 0, capacity)
	var acc uint32
	bits := 0
	put := func(v uint32, n int) {
		acc, bits = acc<<n|v, bits+n
		for bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
			acc &= 1<<bits - 1
		}
	}
	const byteMode = 4
	put(byteMode, 4)
	put(uint32(len(text)), lengthBits(version))
	for i := range len(text) {
		put(uint32(text[i]), 8)
	}
	put(0, min(4, 8*(capacity-len(out))-bits))
	if bits > 0 {
		put(0, 8-bits)
	}
	for pad := byte(0xEC); len(out) < capacity; pad ^= 0xEC ^ 0x11 {
		out = append(out, pad)
	}
	return out
}

// correct splits data into blocks, adds each block's correction and
// interleaves them.
func correct(version int, data []byte) []byte {
	blocks, ecc := blockCount[version], eccPerBlock[version]
	total := rawModules(version) / 8
	short, shortBlocks := total/blocks, blocks-total%blocks
	generator := generatorPolynomial(ecc)
	var parts, checks [][]byte
	for i, at := 0, 0; i < blocks; i++ {
		n := short - ecc
		if i >= shortBlocks {
			n++
		}
		parts = append(parts, data[at:at+n])
		checks = append(checks, remainder(data[at:at+n], generator))
		at += n
	}
	out := make([]byte, 0, total)
	for i := 0; i <= short-ecc; i++ {
		for _, p := range parts {
			if i < len(p) {
				out = append(out, p[i])
			}
		}
	}
	for i := range ecc {
		for _, c := range checks {
			out = append(out, c[i])
		}
	}
	return out
}

// multiply is the product in GF(256) modulo x^8+x^4+x^3+x^2+1.
func multiply(a, b byte) byte {
	var p byte
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			p ^= a
		}
		carry := a & 0x80
		a <<= 1
		if carry != 0 {
			a ^= 0x1D
		}
	}
	return p
}

// generatorPolynomial has the roots 2^0 … 2^(degree-1); the leading 1 is left
// out.
func generatorPolynomial(degree int) []byte {
	g := make([]byte, degree)
	g[degree-1] = 1
	root := byte(1)
	for range degree {
		for j := range g {
			g[j] = multiply(g[j], root)
			if j+1 < degree {
				g[j] ^= g[j+1]
			}
		}
		root = multiply(root, 2)
	}
	return g
}

func remainder(data, generator []byte) []byte {
	r := make([]byte, len(generator))
	for _, d := range data {
		factor := d ^ r[0]
		copy(r, r[1:])
		r[len(r)-1] = 0
		for i, g := range generator {
			r[i] ^= multiply(g, factor)
		}
	}
	return r
}
