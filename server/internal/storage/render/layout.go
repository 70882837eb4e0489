package render

import (
	"image"
	"math"
)

// layout is what becomes of an upright picture: it is scaled to width by
// height, and crop is cut out of that.
type layout struct {
	width, height int
	crop          image.Rectangle
}

func (l layout) crops() bool { return l.crop != image.Rect(0, 0, l.width, l.height) }

// cost is what scaling and encoding may take of memory, in bytes.
func (l layout) cost() int64 { return 24 * int64(l.crop.Dx()) * int64(l.crop.Dy()) }

// layout computes the size of the result. A picture is never enlarged: where
// it is smaller than wanted, it keeps the proportions of what is wanted.
func (p *picture) layout(o Options) layout {
	w, h := float64(p.width), float64(p.height)
	wantW, wantH := maxWidth, maxHeight
	if o.Width > 0 {
		wantW = o.Width
	}
	if o.Height > 0 {
		wantH = o.Height
	}
	resize := o.Resize
	if resize == Default {
		if resize = Cover; o.Width <= 0 && o.Height <= 0 {
			resize = Contain
		}
	}
	shrinkW, shrinkH := w/float64(wantW), h/float64(wantH)
	switch resize {
	case Cover:
		shrinkW = min(shrinkW, shrinkH)
		shrinkH = shrinkW
	case Contain:
		shrinkW = max(shrinkW, shrinkH)
		shrinkH = shrinkW
	}
	if least := min(shrinkW, shrinkH); least < 1 {
		shrinkW, shrinkH = shrinkW/least, shrinkH/least
	}
	l := layout{width: shrunk(w, shrinkW), height: shrunk(h, shrinkH)}
	l.crop = image.Rect(0, 0, l.width, l.height)
	if resize == Cover {
		l.crop = o.Gravity.crop(l.width, l.height, min(wantW, l.width), min(wantH, l.height))
	}
	return l
}

func shrunk(n, by float64) int { return max(1, int(math.Round(n/by))) }
