package render

import (
	"context"
	"image"
	"math"
	"slices"
)

// Gravity says which part of a picture stays when it is cropped.
type Gravity struct {
	Kind GravityKind
	// X and Y move the part: of a side or a corner away from it, from 1 on in
	// pixels and else in parts of the picture. Of Focal they are the point that
	// is in the middle, from 0 to 1.
	X, Y float64
}

// GravityKind is a kind of Gravity.
type GravityKind string

// The kinds of Gravity that are not sides and corners; those are "no", "so",
// "ea", "we", "noea", "nowe", "soea" and "sowe".
const (
	Center GravityKind = "ce" // also ""
	Smart  GravityKind = "sm" // where most is to be seen
	Focal  GravityKind = "fp"
)

// crop is the part of w by h that stays of a picture.
func (g Gravity) crop(width, height, w, h int) image.Rectangle {
	x, y := (width-w+1)/2, (height-h+1)/2
	dx, dy := offset(g.X, width), offset(g.Y, height)
	switch g.Kind {
	case Focal:
		x, y = int(math.Round(g.X*float64(width)))-w/2, int(math.Round(g.Y*float64(height)))-h/2
		dx, dy = 0, 0
	case Smart:
		dx, dy = 0, 0
	case "no", "noea", "nowe":
		y = 0
	case "so", "soea", "sowe":
		y, dy = height-h, -dy
	}
	switch g.Kind {
	case "we", "nowe", "sowe":
		x = 0
	case "ea", "noea", "soea":
		x, dx = width-w, -dx
	}
	x, y = clamp(x+dx, width-w), clamp(y+dy, height-h)
	return image.Rect(x, y, x+w, y+h)
}

// offset is a shift in pixels.
func offset(v float64, side int) int {
	if math.Abs(v) < 1 {
		v *= float64(side)
	}
	return int(math.Round(min(max(v, -1<<20), 1<<20)))
}

func clamp(n, most int) int { return min(max(n, 0), most) }

// thumbSide is the longest side of the picture that smartCrop looks at.
const thumbSide = 128

// smartCrop finds the part of a picture, as large as l's, that has the most
// edges.
func smartCrop(ctx context.Context, src image.Image, orientation int, l layout) (image.Rectangle, error) {
	by := max(1, float64(max(l.width, l.height))/thumbSide)
	small := layout{width: shrunk(float64(l.width), by), height: shrunk(float64(l.height), by)}
	small.crop = image.Rect(0, 0, small.width, small.height)
	m, err := scale(ctx, src, orientation, small)
	if err != nil {
		return image.Rectangle{}, err
	}
	columns, rows := make([]int, small.width), make([]int, small.height)
	light := func(x, y int) int {
		p := m.Pix[y*m.Stride+4*x:]
		return 2*int(p[0]) + 5*int(p[1]) + int(p[2])
	}
	for y := 1; y < small.height; y++ {
		for x := 1; x < small.width; x++ {
			edge := abs(light(x, y)-light(x-1, y)) + abs(light(x, y)-light(x, y-1))
			columns[x] += edge
			rows[y] += edge
		}
	}
	w, h := l.crop.Dx(), l.crop.Dy()
	x := int(float64(densest(columns, shrunk(float64(w), by))) * by)
	y := int(float64(densest(rows, shrunk(float64(h), by))) * by)
	x, y = clamp(x, l.width-w), clamp(y, l.height-h)
	return image.Rect(x, y, x+w, y+h), nil
}

// densest is where the n numbers begin that have the largest sum; the one
// nearest to the middle of several.
func densest(of []int, n int) int {
	n = min(n, len(of))
	sum := 0
	for _, v := range of[:n] {
		sum += v
	}
	sums := []int{sum}
	for i := n; i < len(of); i++ {
		sum += of[i] - of[i-n]
		sums = append(sums, sum)
	}
	most, best, middle := slices.Max(sums), 0, (len(sums)-1)/2
	for i, s := range sums {
		if s == most && (sums[best] != most || abs(i-middle) < abs(best-middle)) {
			best = i
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }
