package render

import (
	"context"
	"image"
	"image/draw"
	"math"
)

// scale makes the upright result of a picture that is stored in an
// orientation.
func scale(ctx context.Context, src image.Image, orientation int, l layout) (*image.RGBA, error) {
	w, h := l.width, l.height
	region := storedRect(orientation, l.crop, w, h)
	if transposed(orientation) {
		w, h = h, w
	}
	out, err := resample(ctx, src, w, h, region)
	if err != nil {
		return nil, err
	}
	return upright(out, orientation), nil
}

// taps are the pixels that one of the result is made of: those from first on,
// with their weights.
type taps struct {
	first   int
	weights []float32
}

func (t *taps) last() int { return t.first + len(t.weights) - 1 }

// lobes of the Lanczos window.
const lobes = 3

func lanczos(x float64) float64 {
	switch {
	case x == 0:
		return 1
	case x <= -lobes || x >= lobes:
		return 0
	}
	x *= math.Pi
	return lobes * math.Sin(x) * math.Sin(x/lobes) / (x * x)
}

// axis are the taps of the pixels from..to when from pixels become scaled ones.
func axis(pixels, scaled, from, to int) []taps {
	all := make([]taps, to-from)
	if pixels == scaled {
		one := []float32{1}
		for i := range all {
			all[i] = taps{first: from + i, weights: one}
		}
		return all
	}
	ratio := float64(pixels) / float64(scaled)
	stretch := max(ratio, 1)
	for i := range all {
		center := (float64(from+i)+0.5)*ratio - 0.5
		first := max(0, int(math.Ceil(center-lobes*stretch)))
		last := min(pixels-1, int(math.Floor(center+lobes*stretch)))
		weights := make([]float32, last-first+1)
		var sum float64
		for j := range weights {
			v := lanczos((float64(first+j) - center) / stretch)
			weights[j], sum = float32(v), sum+v
		}
		for j := range weights {
			weights[j] /= float32(sum)
		}
		all[i] = taps{first: first, weights: weights}
	}
	return all
}

// resample scales src to width by height pixels and returns the region of
// that. Each row of src is read once, and is added to those of the result that
// it is a part of.
func resample(ctx context.Context, src image.Image, width, height int, region image.Rectangle) (*image.RGBA, error) {
	b := src.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, region.Dx(), region.Dy()))
	if b.Dx() == width && b.Dy() == height {
		draw.Draw(out, out.Rect, src, b.Min.Add(region.Min), draw.Src)
		return out, nil
	}
	across := axis(b.Dx(), width, region.Min.X, region.Max.X)
	down := axis(b.Dy(), height, region.Min.Y, region.Max.Y)
	var (
		line    = image.NewRGBA(image.Rect(0, 0, b.Dx(), 1))
		scaled  = make([]float32, 4*region.Dx())
		begun   [][]float32 // sums of the rows of the result from done on
		free    [][]float32
		done    = 0
		waiting = 0 // the first row of the result that is not begun
	)
	for y := down[0].first; done < len(down); y++ {
		if y%64 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for ; waiting < len(down) && down[waiting].first <= y; waiting++ {
			var sum []float32
			if n := len(free); n > 0 {
				sum, free = free[n-1], free[:n-1]
				clear(sum)
			} else {
				sum = make([]float32, len(scaled))
			}
			begun = append(begun, sum)
		}
		draw.Draw(line, line.Rect, src, image.Pt(b.Min.X, b.Min.Y+y), draw.Src)
		scaleLine(scaled, line.Pix, across)
		for i, sum := range begun {
			t := down[done+i]
			if k := y - t.first; k < len(t.weights) {
				weight := t.weights[k]
				for x, v := range scaled {
					sum[x] += weight * v
				}
			}
		}
		for len(begun) > 0 && y >= down[done].last() {
			store(out.Pix[done*out.Stride:][:len(scaled)], begun[0])
			free, begun = append(free, begun[0]), begun[1:]
			done++
		}
	}
	return out, nil
}

// scaleLine scales one row across.
func scaleLine(dst []float32, line []byte, across []taps) {
	for x, t := range across {
		var r, g, b, a float32
		p := line[4*t.first:][:4*len(t.weights)]
		for i, weight := range t.weights {
			q := p[4*i : 4*i+4 : 4*i+4]
			r += weight * float32(q[0])
			g += weight * float32(q[1])
			b += weight * float32(q[2])
			a += weight * float32(q[3])
		}
		d := dst[4*x : 4*x+4 : 4*x+4]
		d[0], d[1], d[2], d[3] = r, g, b, a
	}
}

// store rounds a row of premultiplied pixels; no colour is above its alpha.
func store(dst []byte, sum []float32) {
	for x := 0; x+3 < len(sum); x += 4 {
		a := min(max(sum[x+3]+0.5, 0), 255)
		dst[x+3] = byte(a)
		for c := x; c < x+3; c++ {
			dst[c] = byte(min(max(sum[c]+0.5, 0), a))
		}
	}
}
