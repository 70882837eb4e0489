package gateway

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestClaimPath(t *testing.T) {
	const claims = `{"role":"anon","sub":null,"n":7,"a":{"b-c":{"roles":["user","app_admin","admin_x"]}},"$x@":"odd","größe":["m"]}`
	var m map[string]any
	if err := json.Unmarshal([]byte(claims), &m); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		".role": "anon", ".n": "7", ".sub": "null", `."role"`: "anon", ".$x@": "odd", ".größe[0]": "m",
		`.a."b-c".roles[1]`: "app_admin", `.a."b-c".roles[?(@ == "user")]`: "user", `.a."b-c".roles[?(@!="user")]`: "app_admin",
		`.a."b-c".roles[?(@ ^== "admin")]`: "admin_x", `.a."b-c".roles[?(@  ==^  "admin")]`: "app_admin", `.a."b-c".roles[?(@ *== "_a")]`: "app_admin",
		`.a."b-c"`: `{"roles":["user","app_admin","admin_x"]}`,
		".other":   "-", ".a.roles": "-", ".role.x": "-", ".role[0]": "-", "[0]": "-", `.a."b-c".roles[3]`: "-", `.a."b-c".roles.x`: "-",
		`.a."b-c".roles[?(@ == "none")]`: "-", `[?(@ == "x")]`: "-", `.a."b-c".roles[99999999999999999999]`: "-",
	} {
		p, err := ParseClaimPath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got, ok := p.Lookup(m)
		if !ok {
			got = "-"
		}
		if got != want || p.String() != path {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	for path, says := range map[string]string{
		"": "is empty", "role": `at "role"`, ".": "a key is written", ".role.": "a key is written", ".a-b": `at "-b"`, `."open`: "a key is written",
		".a[": "an index", ".a[x]": "an index", ".a[1": "an index", ".a[-1]": "an index",
		`.a[?(@ == "x")].b`: "ends the path", `.a[?(@ = "x")]`: "a filter", `.a[?(@ == x)]`: "a filter", `.a[?("x")]`: "a filter",
	} {
		if _, err := ParseClaimPath(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", path, err, says)
		}
	}
	if p, err := ParseClaimPath(`."role"`); err != nil || !p.IsRole() || !RolePath.IsRole() {
		t.Error("the role's own path is not known as such")
	}
}

func FuzzClaimPath(f *testing.F) {
	f.Add(".role", `{"role":"anon"}`)
	f.Add(`.a."b c"[0][?(@ ^== "x")]`, `{"a":{"b c":[["xy"]]}}`)
	f.Add("[1].é$", `[]`)
	f.Fuzz(func(t *testing.T, path, claims string) {
		p, err := ParseClaimPath(path)
		if err != nil {
			if len(p.steps) != 0 {
				t.Fatal("a path beside an error")
			}
			return
		}
		again, err := ParseClaimPath(p.String())
		if err != nil || len(again.steps) != len(p.steps) || len(p.steps) > len(path) {
			t.Fatalf("%q is read as %d steps, then as %d: %v", path, len(p.steps), len(again.steps), err)
		}
		var m map[string]any
		if json.Unmarshal([]byte(claims), &m) != nil {
			return
		}
		if text, ok := p.Lookup(m); !ok && text != "" {
			t.Fatalf("no value, and %q", text)
		}
	})
}
