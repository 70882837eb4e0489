package gateway

import "testing"

// TestOpenQuery: what lets someone in is not kept of a link.
func TestOpenQuery(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                         "",
		"select=a&token=eq.1":      "select=a&token=…",
		"token=secret&type=signup": "token=…&type=signup",
		"API%4bEY=x&a=b":           "API%4bEY=…&a=b",
		"%zz=x&code":               "%zz=…&code=…",
		"X-Amz-Signature=abc":      "X-Amz-Signature=…",
	} {
		if got := openQuery(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}
