package qr_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/auth/qr"
)

func draw(c *qr.Code) string {
	var b strings.Builder
	for y := range c.Size() {
		for x := range c.Size() {
			if c.Dark(x, y) {
				b.WriteByte('#')
			} else {
				b.WriteByte('.')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// The sums are of codes that were compared, module by module, with those of an
// independent encoder.
func TestCodesAreThoseOfTheStandard(t *testing.T) {
	for _, c := range []struct {
		text string
		size int
		sum  string
	}{
		{"HELLO", 21, "f774d461f0780fd9"},
		{strings.Repeat("otpauth://totp/", 10), 49, "d45990c24f34b955"},
		{strings.Repeat("0123456789", 100), 121, "3c93435d5b0374bd"},
		{strings.Repeat("x", qr.MaxBytes), 177, "4ae74d21f68dd589"},
	} {
		code, err := qr.Encode(c.text)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(draw(code)))
		if code.Size() != c.size || hex.EncodeToString(sum[:8]) != c.sum {
			t.Errorf("%.20s…: size %d sum %s, want %d %s", c.text, code.Size(), hex.EncodeToString(sum[:8]), c.size, c.sum)
		}
	}
	if _, err := qr.Encode(strings.Repeat("x", qr.MaxBytes+1)); err == nil {
		t.Error("a text that does not fit is encoded")
	}
}

func TestSVGDrawsEveryDarkModule(t *testing.T) {
	code, err := qr.Encode("otpauth://totp/a:b?secret=ABC")
	if err != nil {
		t.Fatal(err)
	}
	svg := code.SVG()
	if !strings.HasPrefix(svg, "<svg ") || !strings.HasSuffix(svg, "</svg>") {
		t.Errorf("%.40s … %s", svg, svg[len(svg)-10:])
	}
	runs := 0
	for y := range code.Size() {
		for x := range code.Size() {
			if code.Dark(x, y) && (x == 0 || !code.Dark(x-1, y)) {
				runs++
			}
		}
	}
	if got := strings.Count(svg, "M"); got != runs {
		t.Errorf("%d runs are drawn, the code has %d", got, runs)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("otpauth://totp/x")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := qr.Encode(s)
		if (err != nil) != (len(s) > qr.MaxBytes) {
			t.Fatalf("%d bytes: %v", len(s), err)
		}
		if err == nil && (c.Size()-17)%4 != 0 {
			t.Fatalf("size %d", c.Size())
		}
	})
}
