package storage

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/suparust/suparust/server/internal/storage/render"
)

// Images configures the routes below /render/image.
type Images struct {
	Enabled bool
	ImageLimits
	render.Limits
}

// DefaultImageLimits are the sides that can be asked for where nothing else is
// said.
var DefaultImageLimits = ImageLimits{MinSize: 1, MaxSize: 2000}

// renderPrefix begins the patterns of routes that are there only with images
// enabled.
const renderPrefix = "render/image/"

// renderImage answers a picture, transformed, to a caller with a token.
func (c *call) renderImage() error {
	t, err := c.queryTransform()
	if err != nil {
		return err
	}
	return c.sendImage(func(cols columns) (*found, error) { return c.findObject(c.asUserReading(), cols) }, t, "")
}

// renderPublic answers a picture of a public bucket, transformed.
func (c *call) renderPublic() error {
	t, err := c.queryTransform()
	if err != nil {
		return err
	}
	return c.sendImage(c.findToSend, t, "")
}

// renderSigned answers a picture to whoever has a token for it, transformed as
// the token says.
func (c *call) renderSigned() error {
	claims, err := c.readSigned(scopeDownload)
	if err != nil {
		return err
	}
	m := claims.Map()
	text, _ := m["transformations"].(string)
	t := parseTransform(text)
	if format, _ := m["format"].(string); t.format == "" && format == formatOrigin {
		t.format = formatOrigin
	}
	return c.sendImage(c.findSigned, t, expiresAt(claims))
}

func (c *call) queryTransform() (transform, error) {
	f := readQuery(parseQuery(c.r.URL.RawQuery))
	t := f.transform()
	return t, f.err
}

// sendImage answers the picture that find returns.
func (c *call) sendImage(find finder, t transform, expires string) error {
	return c.sendWith(find, func(o *found) error { return c.sendTransformed(o, t, expires) })
}

func (c *call) sendTransformed(o *found, t transform, expires string) error {
	h := c.w.Header()
	headers := func() {
		c.objectHeaders(h, o, expires)
		if t.format == "" {
			h.Add("Vary", "Accept")
		}
		t.tell(h, c.h.images.ImageLimits)
	}
	if notModified(c.r.Header, o.meta.etag, o.meta.modified) {
		headers()
		h.Del("Content-Type") // that of the answer would be known only after the work
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	result, err := c.h.renderer.Render(c.ctx(), o.meta.size, func() ([]byte, error) {
		f, err := c.h.blobs.Open(c.ctx(), o.version, 0, c.h.renderer.MaxBytes()+1)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, c.h.renderer.MaxBytes()+1))
	}, t.options(c.h.images.ImageLimits, strings.Join(c.r.Header.Values("Accept"), ",")))
	if err != nil {
		return imageError(err)
	}
	headers()
	h.Set("Content-Type", result.Format.Type())
	if result.Format == render.SVG {
		h.Set("Content-Security-Policy", "script-src 'none'")
	}
	h.Set("Content-Length", strconv.Itoa(len(result.Data)))
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(result.Data) // an error is the client going away
	}
	return nil
}

// imageError is the answer for a picture that was not rendered.
func imageError(err error) error {
	e := &Error{Status: 400, Name: "InvalidRequest", Code: "InvalidRequest", Cause: err}
	switch {
	case errors.Is(err, render.ErrUnsupported):
		e.Message = "The source image is invalid or unsupported for rendering"
	case errors.Is(err, render.ErrPixels):
		e.Message = "The source image resolution is too large to process"
	case errors.Is(err, render.ErrBytes):
		e.Message = "The source image file is too large to process"
	case errors.Is(err, render.ErrBusy):
		e.Status, e.Message = 429, "Too many requests"
	default:
		return err
	}
	return e
}
