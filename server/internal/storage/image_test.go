package storage_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"golang.org/x/image/webp"

	"github.com/suparust/suparust/server/internal/storage"
)

// picture is a picture of w by h pixels.
func picture(w, h int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), 90, 255})
		}
	}
	return m
}

func pngOf(t testing.TB, m image.Image) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func jpegOf(t testing.TB, m image.Image) string {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func withImages(c *storage.Config) { c.Images.Enabled = true }

// shows checks that the answer is a picture of a type and size, "image/png
// 4x3".
func (r answer) shows(t *testing.T, want string) {
	t.Helper()
	if r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
		return
	}
	c, _, err := image.DecodeConfig(strings.NewReader(r.body))
	kind := r.header.Get("Content-Type")
	if kind == "image/webp" {
		c, err = webp.DecodeConfig(strings.NewReader(r.body))
	}
	if got := fmt.Sprintf("%s %dx%d", kind, c.Width, c.Height); err != nil || got != want {
		t.Errorf("%s, %v; not %s", got, err, want)
	}
}

//covers:storage 70
func TestImages(t *testing.T) {
	t.Parallel()
	a := start(t, withImages)
	a.bucket("pub", true)
	a.bucket("priv", false)
	a.put("pub/p.png", pngOf(t, picture(40, 20)), headers{"Content-Type": "image/png", "Cache-Control": "max-age=60", "X-Robots-Tag": "noindex"})
	a.put("priv/p.jpg", jpegOf(t, picture(40, 20)), headers{"Content-Type": "image/jpeg"})
	a.put("pub/text", "not an image", headers{"Content-Type": "image/png"})
	a.put("pub/v.svg", "<svg/>", headers{"Content-Type": "image/svg+xml"})
	public := func(query string, hs ...headers) answer {
		t.Helper()
		return a.do("GET", "/render/image/public/pub/"+query, "", nil, hs...)
	}

	for query, want := range map[string]string{
		"p.png":                                      "image/png 40x20",
		"p.png?width=10&height=10":                   "image/png 10x10",
		"p.png?width=10&height=10&resize=cover":      "image/png 10x10",
		"p.png?width=10&height=10&resize=contain":    "image/png 10x5",
		"p.png?width=10&height=10&resize=fill":       "image/png 10x10",
		"p.png?width=10":                             "image/png 10x20",
		"p.png?width=10&resize=contain":              "image/png 10x5",
		"p.png?width=4000&resize=contain":            "image/png 40x20",
		"p.png?width=10&height=10&format=webp":       "image/webp 10x10",
		"p.png?width=10&height=10&format=avif":       "image/png 10x10",
		"p.png?width=10&height=5&gravity=sm":         "image/png 10x5",
		"p.png?quality=50":                           "image/png 40x20",
		"p.png?gravity=fp&x_offset=0.1&y_offset=1.0": "image/png 40x20",
	} {
		public(query).shows(t, want)
	}
	// what browsers send makes a PNG a WebP, but where the original is asked for
	browser := headers{"Accept": "image/avif,image/webp,image/apng,*/*;q=0.8"}
	public("p.png?width=10&height=10", browser).shows(t, "image/webp 10x10")
	public("p.png?width=10&height=10&format=origin", browser).shows(t, "image/png 10x10")

	r := public("p.png?width=10&height=10&quality=70&download=x.png")
	for name, want := range map[string]string{
		"X-Transformations": "height:10,width:10,resizing_type:fill,quality:70", "ETag": etag(pngOf(t, picture(40, 20))), "Cache-Control": "max-age=60",
		"Content-Disposition": "attachment; filename=x.png; filename*=UTF-8''x.png", "X-Robots-Tag": "noindex", "Accept-Ranges": "bytes",
		"Content-Length": fmt.Sprint(len(r.body)),
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
	if v := strings.Join(r.header.Values("Vary"), ","); !strings.Contains(v, "Accept") {
		t.Errorf("Vary: %s", v)
	}
	if v := strings.Join(public("p.png?format=origin").header.Values("Vary"), ","); strings.Contains(v, "Accept") {
		t.Errorf("Vary of the original: %s", v)
	}
	if r.header.Get("Last-Modified") == "" {
		t.Error("no Last-Modified")
	}
	if r := public("p.png?width=10", headers{"If-None-Match": r.header.Get("ETag")}); r.status != 304 || r.body != "" || r.header.Get("Content-Type") != "" {
		t.Errorf("%d %q", r.status, r.body)
	}
	if r := a.do("HEAD", "/render/image/public/pub/p.png?width=10", "", nil); r.status != 200 || r.body != "" || r.header.Get("Content-Type") != "image/png" {
		t.Errorf("%d %v", r.status, r.header)
	}
	svg := public("v.svg?width=3")
	svg.is(t, 200, "<svg/>")
	if svg.header.Get("Content-Security-Policy") == "" || svg.header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("%v", svg.header)
	}

	invalid := "The source image is invalid or unsupported for rendering"
	public("text?width=1").fails(t, 400, "400", "InvalidRequest", invalid, "InvalidRequest")
	public("p.png?width=-1").fails(t, 400, "400", "Error", "querystring/width must be >= 0", "InvalidRequest")
	public("p.png?resize=crop").fails(t, 400, "400", "Error", "querystring/resize must be equal to one of the allowed values", "InvalidRequest")
	public("p.png?quality=5").fails(t, 400, "400", "Error", "querystring/quality must be >= 20", "InvalidRequest")
	public("missing.png").noSuchKey(t)
	a.do("GET", "/render/image/public/priv/p.jpg", "", nil).fails(t, 400, "404", "Bucket not found", "Bucket not found", "NoSuchBucket")
	a.do("GET", "/render/image/public/priv/a%23", "", nil).fails(t, 400, "400", "InvalidKey", "Invalid key: a#", "InvalidKey")

	private := "/render/image/authenticated/priv/p.jpg?width=10&height=10"
	a.do("GET", private, a.service, nil).shows(t, "image/jpeg 10x10")
	a.do("GET", private, a.service, nil, browser).shows(t, "image/jpeg 10x10")
	a.do("GET", private, a.anon, nil).noSuchKey(t)
	a.do("GET", private, "", nil).fails(t, 400, "403", "Unauthorized", "Invalid Compact JWS", "AccessDenied")
	a.do("GET", private, "garbage", nil).fails(t, 400, "403", "Unauthorized", "Invalid Compact JWS", "AccessDenied")
	a.do("GET", "/render/image/authenticated/none/p.jpg", a.service, nil).noSuchKey(t)
	if r := a.do("POST", private, a.service, nil); r.status != 404 {
		t.Errorf("%d %s", r.status, r.body)
	}

	// the operation is for policies to see
	a.exec(`create policy p on storage.objects for select using (storage.operation() = 'storage.render.image_authenticated')`)
	a.do("GET", private, a.anon, nil).shows(t, "image/jpeg 10x10")
	a.do("GET", "/object/authenticated/priv/p.jpg", a.anon, nil).noSuchKey(t)
}

//covers:storage 70
func TestSignedImages(t *testing.T) {
	t.Parallel()
	a := start(t, withImages)
	a.bucket("b", false)
	a.put("b/p.png", pngOf(t, picture(40, 20)), headers{"Content-Type": "image/png"})
	sign := func(transform map[string]any) answer {
		return a.do("POST", "/object/sign/b/p.png", a.service, map[string]any{"expiresIn": 60, "transform": transform})
	}
	for _, c := range []struct {
		transform map[string]any
		claims    string
		want      string
	}{
		{map[string]any{"width": 10, "height": 10}, `{"transformations":"height:10,width:10,resize:undefined",`, "image/png 10x10"},
		{map[string]any{"width": 10, "height": 10, "resize": "contain", "quality": 50}, `{"transformations":"height:10,width:10,resize:contain,quality:50",`, "image/png 10x5"},
		{map[string]any{"width": "10", "format": "webp"}, `{"transformations":"width:10,resize:undefined,format:webp","format":"webp",`, "image/webp 10x20"},
		{map[string]any{"width": 99999, "resize": "fill", "format": "origin"}, `{"transformations":"width:2000,resize:fill","format":"origin",`, "image/png 5x20"},
		{map[string]any{"width": 10, "height": 10, "gravity": "fp", "x_offset": 0, "y_offset": 1}, `{"transformations":"height:10,width:10,resize:undefined,gravity:fp:0:1",`, "image/png 10x10"},
	} {
		url := sign(c.transform).ok(t)["signedURL"].(string)
		if !strings.HasPrefix(url, "/render/image/sign/b/p.png?token=") {
			t.Errorf("%v: %s", c.transform, url)
		}
		if _, claims := parts(t, tokenOf(url)); !strings.HasPrefix(claims, c.claims+`"url":"b/p.png","scope":"download","iat":`) {
			t.Errorf("%v: %s", c.transform, claims)
		}
		r := a.do("GET", url, "", nil)
		r.shows(t, c.want)
		if r.header.Get("Expires") == "" || r.header.Get("Cache-Control") != "" {
			t.Errorf("%v", r.header)
		}
		// the query cannot change what was signed
		a.do("GET", url+"&width=1&height=1&format=webp", "", nil).shows(t, c.want)
	}
	for _, none := range []map[string]any{{}, {"resize": "cover"}, {"format": "origin"}} {
		if url := sign(none).ok(t)["signedURL"].(string); !strings.HasPrefix(url, "/object/sign/b/p.png?token=") {
			t.Errorf("%v: %s", none, url)
		}
	}
	origin := sign(map[string]any{"width": 10, "format": "origin"}).ok(t)["signedURL"].(string)
	a.do("GET", origin, "", nil, headers{"Accept": "image/webp"}).shows(t, "image/png 10x20")

	sign(map[string]any{"width": -1}).fails(t, 400, "400", "Error", "body/transform/width must be >= 0", "InvalidRequest")
	sign(map[string]any{"gravity": "fp"}).fails(t, 400, "400", "Error",
		`body/transform must have required property 'x_offset'`, "InvalidRequest")
	a.do("GET", "/render/image/sign/b/p.png", "", nil).fails(t, 400, "400", "Error", "querystring must have required property 'token'", "InvalidRequest")
	a.do("GET", "/render/image/sign/b/other.png?token="+tokenOf(origin), "", nil).fails(t, 400, "400", "InvalidSignature", "Invalid signature", "InvalidSignature")
}

// TestImageLimits: the limits of the settings, and their errors.
//
//covers:storage 70
func TestImageLimits(t *testing.T) {
	t.Parallel()
	a := start(t, withImages, func(c *storage.Config) {
		c.Images.MaxSize, c.Images.MinSize, c.Images.MaxPixels, c.Images.MaxBytes = 8, 4, 1000, 5000
	})
	a.bucket("b", true)
	a.put("b/p", pngOf(t, picture(30, 30)))
	a.put("b/wide", pngOf(t, picture(101, 10)))
	a.put("b/long", strings.Repeat("x", 5001))
	get := func(path string) answer { return a.do("GET", "/render/image/public/b/"+path, "", nil) }
	get("p?width=100&height=1").shows(t, "image/png 8x4")
	get("wide?width=5").fails(t, 400, "400", "InvalidRequest", "The source image resolution is too large to process", "InvalidRequest")
	get("long?width=5").fails(t, 400, "400", "InvalidRequest", "The source image file is too large to process", "InvalidRequest")
}

// TestImagesOff: without the setting there are no such routes.
//
//covers:storage 69
func TestImagesOff(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	a.put("b/p.png", pngOf(t, picture(4, 4)))
	for _, kind := range []string{"public", "authenticated", "sign"} {
		path := "/render/image/" + kind + "/b/p.png?width=1"
		if r := a.do("GET", path, a.service, nil); r.status != 404 || !strings.Contains(r.body, `"Route GET:`+path+` not found"`) {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	url := a.do("POST", "/object/sign/b/p.png", a.service, map[string]any{"expiresIn": 60, "transform": map[string]any{"width": 1}}).ok(t)["signedURL"].(string)
	if !strings.HasPrefix(url, "/object/sign/") {
		t.Error(url)
	}
	a.do("GET", url, "", nil).is(t, 200, pngOf(t, picture(4, 4)))
}
