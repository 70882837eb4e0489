// Package render makes smaller and other pictures of pictures: it reads an
// encoded one, scales and crops it, and encodes the result.
//
// What it does with dimensions is what the platform's renderer does: a picture
// is never enlarged, and a side that nobody asked for is as long as the longest
// one that is allowed.
//
// Pictures come from anybody. How large one is is known before it is decoded,
// and what all of them take of memory together is bounded.
package render

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"
)

// Resize says how a picture is fitted into the wanted width and height.
type Resize int

// The ways to fit a picture.
const (
	Default Resize = iota // Contain where no side is wanted, else Cover
	Cover                 // keep the proportions, cut off what juts out
	Contain               // keep the proportions, all of it is seen
	Fill                  // stretch
)

// Options of one picture. The zero value fits it into the longest sides.
type Options struct {
	Width, Height int // 0 is not asked for
	Resize        Resize
	Quality       int // 1 to 100 of what is lossy, 0 is DefaultQuality
	// Format of the result; "" is that of the picture.
	Format Format
	// AcceptsWebP asks for WebP in the place of a picture's own format where that
	// is smaller and nothing is lost.
	AcceptsWebP bool
	Gravity     Gravity
}

// DefaultQuality of formats that lose something.
const DefaultQuality = 80

// The sides that nobody asked for.
const (
	maxWidth  = 3000
	maxHeight = 8192
)

// maxSide is the longest side of a picture that is read, that of JPEG.
const maxSide = 65535

// Limits of a Renderer; 0 is the default of each.
type Limits struct {
	MaxPixels int64         // of a picture; 50 million
	MaxBytes  int64         // of an encoded picture; 25 million
	MaxMemory int64         // of all pictures that are worked on; 512 MiB
	Parallel  int           // pictures that are worked on at once; 2
	Wait      time.Duration // for one's turn; 15 s
}

func (l Limits) orDefault() Limits {
	if l.MaxPixels <= 0 {
		l.MaxPixels = 50_000_000
	}
	if l.MaxBytes <= 0 {
		l.MaxBytes = 25_000_000
	}
	if l.MaxMemory <= 0 {
		l.MaxMemory = 512 << 20
	}
	if l.Parallel <= 0 {
		l.Parallel = 2
	}
	if l.Wait <= 0 {
		l.Wait = 15 * time.Second
	}
	return l
}

// What a picture is refused for.
var (
	ErrUnsupported = errors.New("the picture is damaged or of a format that is not read")
	ErrPixels      = errors.New("the picture has too many pixels")
	ErrBytes       = errors.New("the picture's file is too large")
	ErrBusy        = errors.New("too many pictures are being worked on")
)

// Renderer renders pictures within its limits.
type Renderer struct {
	limits Limits
	slots  *semaphore.Weighted
	memory *semaphore.Weighted
}

// New makes a Renderer.
func New(l Limits) *Renderer {
	l = l.orDefault()
	return &Renderer{limits: l, slots: semaphore.NewWeighted(int64(l.Parallel)), memory: semaphore.NewWeighted(l.MaxMemory)}
}

// Result is an encoded picture.
type Result struct {
	Data   []byte
	Format Format
}

// Render reads a picture of size bytes from open and renders it. size may be -1
// where it is not known.
func (r *Renderer) Render(ctx context.Context, size int64, open func() ([]byte, error), o Options) (*Result, error) {
	if size > r.limits.MaxBytes {
		return nil, ErrBytes
	}
	if err := r.acquire(ctx, r.slots, 1); err != nil {
		return nil, err
	}
	defer r.slots.Release(1)
	data, err := open()
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > r.limits.MaxBytes {
		return nil, ErrBytes
	}
	p, err := inspect(data)
	if err != nil {
		return nil, err
	}
	if p.format == SVG {
		return &Result{Data: data, Format: SVG}, nil
	}
	if max(p.width, p.height) > maxSide || int64(p.width)*int64(p.height) > r.limits.MaxPixels {
		return nil, ErrPixels
	}
	l := p.layout(o)
	cost := p.cost() + l.cost()
	if cost > r.limits.MaxMemory {
		return nil, ErrPixels
	}
	if err := r.acquire(ctx, r.memory, cost); err != nil {
		return nil, err
	}
	defer r.memory.Release(cost)
	return p.render(ctx, l, o)
}

// MaxBytes is the size of the largest picture that is read.
func (r *Renderer) MaxBytes() int64 { return r.limits.MaxBytes }

func (r *Renderer) acquire(ctx context.Context, s *semaphore.Weighted, n int64) error {
	wait, cancel := context.WithTimeout(ctx, r.limits.Wait)
	defer cancel()
	if err := s.Acquire(wait, n); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return ErrBusy
	}
	return nil
}

// render does the work on a picture that is within the limits.
func (p *picture) render(ctx context.Context, l layout, o Options) (result *Result, err error) {
	format := p.format
	switch {
	case o.Format != "":
		format = o.Format
	case o.AcceptsWebP && (p.format == PNG || p.format == BMP):
		format = WebP
	}
	if format == p.format && p.untouched(l, o) {
		return &Result{Data: p.data, Format: format}, nil
	}
	src, err := p.decode()
	if err != nil {
		return nil, err
	}
	if o.Gravity.Kind == Smart && l.crops() {
		if l.crop, err = smartCrop(ctx, src, p.orientation, l); err != nil {
			return nil, err
		}
	}
	out, err := scale(ctx, src, p.orientation, l)
	if err != nil {
		return nil, err
	}
	data, err := encode(out, src, format, o.Quality)
	if err != nil {
		return nil, fmt.Errorf("encode as %s: %w", format, err)
	}
	return &Result{Data: data, Format: format}, nil
}

// untouched tells that the picture is the result already. JPEG and PNG are
// encoded again even so, which rids them of what a camera and its owner wrote
// beside the picture.
func (p *picture) untouched(l layout, o Options) bool {
	return (p.format == GIF || p.format == WebP) && o.Quality == 0 &&
		l.width == p.width && l.height == p.height && !l.crops()
}
