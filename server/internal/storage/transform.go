package storage

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/suparust/suparust/server/internal/storage/render"
)

// transform is what a request asks to become of a picture, in the words of the
// API.
type transform struct {
	height, width int64 // 0 is not asked for
	resize        string
	format        string
	quality       int64
	gravity       string
	x, y          *float64
}

// The values that the words of a transform may have.
var (
	resizes   = []string{"cover", "contain", "fill"}
	formats   = []string{formatOrigin, "avif", "webp"}
	gravities = []string{"no", "so", "ea", "we", "noea", "nowe", "soea", "sowe", "ce", "sm", focalPoint}
)

const (
	formatOrigin = "origin"
	focalPoint   = "fp"

	leastQuality, mostQuality = 20, 100
)

// transform reads the fields of a transform.
func (f *fields) transform() (t transform) {
	if g, ok := toText(scalar(f.m["gravity"])); ok && g == focalPoint {
		f.focalPoint()
	}
	t.height, t.width = f.integer("height", 0, 0), f.integer("width", 0, 0)
	t.resize = f.oneOf("resize", "", resizes...)
	t.format = f.oneOf("format", "", formats...)
	t.quality = f.integer("quality", 0, leastQuality)
	if t.quality > mostQuality {
		f.fail("quality", "must be <= "+strconv.Itoa(mostQuality))
	}
	t.gravity = f.oneOf("gravity", "", gravities...)
	t.x, t.y = f.number("x_offset"), f.number("y_offset")
	return t
}

// focalPoint checks the point that must be told with that gravity.
func (f *fields) focalPoint() {
	if f.err != nil {
		return
	}
	f.require("x_offset", "y_offset")
	for _, name := range []string{"x_offset", "y_offset"} {
		switch v := f.number(name); {
		case v == nil:
		case *v > 1:
			f.fail(name, "must be <= 1")
		case *v < 0:
			f.fail(name, "must be >= 0")
		}
	}
}

// number is a finite number, nil when it is missing.
func (f *fields) number(name string) *float64 {
	v, ok := f.m[name]
	if !ok {
		return nil
	}
	s, ok := toText(scalar(v))
	if v == nil {
		s = "0"
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if !ok || err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		f.fail(name, "must be number")
		return nil
	}
	return &n
}

// ImageLimits are the smallest and the largest side that can be asked for.
type ImageLimits struct {
	MinSize, MaxSize int
}

func (l ImageLimits) clamp(n int64) int {
	return int(min(max(n, int64(l.MinSize)), int64(l.MaxSize)))
}

// tell names the steps of a transform in an answer's header.
func (t transform) tell(h http.Header, l ImageLimits) {
	if s := t.segments(l, false); len(s) > 0 {
		h.Set("X-Transformations", strings.Join(s, ","))
	}
}

// segments are the steps of a transform. asAsked keeps the API's word for the
// way to resize, as signed URLs have it; the renderer has others.
func (t transform) segments(l ImageLimits, asAsked bool) []string {
	var s []string
	add := func(name, value string) { s = append(s, name+":"+value) }
	if t.height != 0 {
		add("height", strconv.Itoa(l.clamp(t.height)))
	}
	if t.width != 0 {
		add("width", strconv.Itoa(l.clamp(t.width)))
	}
	switch {
	case t.height == 0 && t.width == 0:
	case asAsked && t.resize == "":
		add("resize", "undefined")
	case asAsked:
		add("resize", t.resize)
	case t.resize == "contain":
		add("resizing_type", "fit")
	case t.resize == "fill":
		add("resizing_type", "force")
	default:
		add("resizing_type", "fill")
	}
	if t.quality != 0 {
		add("quality", strconv.FormatInt(t.quality, 10))
	}
	if t.format != "" && t.format != formatOrigin {
		add("format", t.format)
	}
	switch {
	case t.gravity == "":
	case t.gravity == "sm" || t.x == nil && t.y == nil:
		add("gravity", t.gravity)
	default:
		add("gravity", t.gravity+":"+shortNumber(t.x)+":"+shortNumber(t.y))
	}
	return s
}

// shortNumber is a number as JavaScript writes it.
func shortNumber(n *float64) string {
	if n == nil {
		return "0"
	}
	b, err := json.Marshal(*n)
	if err != nil {
		return "0"
	}
	return string(b)
}

// parseTransform reads the segments that a signed URL's token has. What it
// does not know, it leaves out.
func parseTransform(text string) (t transform) {
	for part := range strings.SplitSeq(text, ",") {
		words := strings.Split(part, ":")
		if len(words) < 2 || words[1] == "" {
			continue
		}
		switch v := words[1]; words[0] {
		case "height":
			t.height = leadingInteger(v)
		case "width":
			t.width = leadingInteger(v)
		case "quality":
			t.quality = min(leadingInteger(v), mostQuality)
		case "resize":
			t.resize = wordOf(v, resizes)
		case "format":
			t.format = wordOf(v, formats)
		case "gravity":
			t.gravity = wordOf(v, gravities)
			t.x, t.y = finite(words, 2), finite(words, 3)
		}
	}
	if t.gravity == focalPoint && !(within01(t.x) && within01(t.y)) {
		t.gravity, t.x, t.y = "", nil, nil
	}
	return t
}

func wordOf(v string, of []string) string {
	if slices.Contains(of, v) {
		return v
	}
	return ""
}

// leadingInteger is the number that a text begins with, 0 without one.
func leadingInteger(s string) int64 {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	if end > 18 { // far beyond what any side can have
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func finite(words []string, i int) *float64 {
	if i >= len(words) {
		return nil
	}
	n, err := strconv.ParseFloat(words[i], 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return nil
	}
	return &n
}

func within01(n *float64) bool { return n != nil && *n >= 0 && *n <= 1 }

// options is a transform for the renderer.
func (t transform) options(l ImageLimits, accept string) render.Options {
	o := render.Options{Quality: int(t.quality), Gravity: render.Gravity{Kind: render.GravityKind(t.gravity)}}
	if t.height != 0 {
		o.Height = l.clamp(t.height)
	}
	if t.width != 0 {
		o.Width = l.clamp(t.width)
	}
	if t.height != 0 || t.width != 0 {
		switch t.resize {
		case "contain":
			o.Resize = render.Contain
		case "fill":
			o.Resize = render.Fill
		default:
			o.Resize = render.Cover
		}
	}
	switch {
	case t.format == "webp":
		o.Format = render.WebP
	case t.format == "":
		o.AcceptsWebP = strings.Contains(accept, "image/webp")
	}
	if t.x != nil {
		o.Gravity.X = *t.x
	}
	if t.y != nil {
		o.Gravity.Y = *t.y
	}
	return o
}
