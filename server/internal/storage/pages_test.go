package storage_test

import (
	"encoding/xml"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func random() (r *rand.Rand, seed uint64) {
	seed = rand.Uint64()
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// randomName is a text, maybe an empty one, of few letters, so that files and
// folders have the same names and are beside one another.
func randomName(r *rand.Rand, most int) string {
	b := make([]byte, r.IntN(most+1))
	for i := range b {
		b[i] = "ab/-"[r.IntN(4)]
	}
	return string(b)
}

// putRandom makes objects of the bucket b with random names, many of the same
// time.
func (a *api) putRandom(r *rand.Rand) (keys []string) {
	a.t.Helper()
	for len(keys) < 60 {
		if k := randomName(r, 7); k != "" && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	a.exec(`insert into storage.objects (bucket_id, name, created_at)
		select 'b', k, '2026-01-01'::timestamptz + n % 3 * interval '1 ms' + n % 7 * interval '13 us' from unnest($1::text[]) with ordinality u(k, n)`, keys)
	return keys
}

// TestListV2Pages compares lists that come page by page with those that come as
// a whole.
//
//covers:storage 50
func TestListV2Pages(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	r, seed := random()
	keys := a.putRandom(r)
	// read is what a list has, sorted, as each page has folders and files apart.
	read := func(body map[string]any, limit int) (all []string) {
		body = maps.Clone(body)
		for body["limit"] = limit; ; {
			p := a.do("POST", "/object/list-v2/b", a.service, body).ok(t)
			for _, kind := range []string{"folders", "objects"} {
				for _, e := range p[kind].([]any) {
					all = append(all, kind+" "+e.(map[string]any)["name"].(string))
				}
			}
			if body["cursor"] = p["nextCursor"]; p["hasNext"] != true || len(all) > len(keys) {
				slices.Sort(all)
				return all
			}
		}
	}
	for _, prefix := range []string{"", "/", randomName(r, 2), randomName(r, 3)} {
		for _, column := range []string{"name", "created_at"} {
			for _, order := range []string{"asc", "desc"} {
				for _, level := range []bool{true, false} {
					body := map[string]any{"prefix": prefix, "with_delimiter": level, "sortBy": map[string]any{"column": column, "order": order}}
					limit := 1 + r.IntN(3)
					if got, want := read(body, limit), read(body, 1000); !slices.Equal(got, want) {
						t.Errorf("seed %d: %v, %d a page:\ngot  %q\nwant %q\nof   %q", seed, body, limit, got, want, keys)
					}
				}
			}
		}
	}
}

// modelOfS3List are the entries that a list of keys has, in order.
func modelOfS3List(keys []string, prefix, delimiter string) (entries []string) {
	for _, k := range slices.Sorted(slices.Values(keys)) {
		rest, ok := strings.CutPrefix(k, prefix)
		if !ok {
			continue
		}
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			k = prefix + rest[:i+len(delimiter)]
		}
		if !slices.Contains(entries, k) {
			entries = append(entries, k)
		}
	}
	return entries
}

// TestS3ListPages compares lists, page by page, with what the keys are, for
// prefixes and delimiters of every kind.
//
//covers:storage 65
func TestS3ListPages(t *testing.T) {
	t.Parallel()
	a, c := startS3(t)
	a.bucket("b", false)
	r, seed := random()
	keys := a.putRandom(r)
	type list struct {
		IsTruncated                                  bool
		NextContinuationToken, Marker, NextKeyMarker string
		Contents, Version                            []struct{ Key string }
		CommonPrefixes                               []struct{ Prefix string }
	}
	for range 20 {
		prefix, delimiter, size := randomName(r, 2), randomName(r, 3), 1+r.IntN(9)
		want := modelOfS3List(keys, prefix, delimiter)
		for kind, next := range map[string]func(list) (name, value string){
			"list-type=2&": func(l list) (string, string) { return "continuation-token", l.NextContinuationToken },
			"":             func(l list) (string, string) { return "marker", l.Marker },
			"versions=&":   func(l list) (string, string) { return "key-marker", l.NextKeyMarker },
		} {
			var got []string
			for more := ""; ; {
				query := kind + url.Values{"prefix": {prefix}, "delimiter": {delimiter}, "max-keys": {string(rune('0' + size))}}.Encode() + more
				var l list
				if err := xml.Unmarshal([]byte(c.ok(200, "GET", "/b", query, "").body), &l); err != nil {
					t.Fatal(err)
				}
				var page []string
				for _, o := range append(l.Contents, l.Version...) {
					page = append(page, o.Key)
				}
				for _, p := range l.CommonPrefixes {
					page = append(page, p.Prefix)
				}
				slices.Sort(page)
				if got = append(got, page...); !l.IsTruncated || len(got) > len(keys) {
					break
				}
				name, value := next(l)
				more = "&" + name + "=" + url.QueryEscape(value)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: %sprefix %q, delimiter %q, %d a page:\ngot  %q\nwant %q\nof   %q", seed, kind, prefix, delimiter, size, got, want, keys)
			}
		}
	}
}
