package storage_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// names are the names of listed entries, folders with a slash.
func names(l []map[string]any) string {
	var all []string
	for _, e := range l {
		n := e["name"].(string)
		if e["id"] == nil {
			n += "/"
		}
		all = append(all, n)
	}
	return strings.Join(all, " ")
}

//covers:storage 1 23 49
func TestList(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("l", false)
	for i, k := range []string{"a.txt", "B.txt", "sub/one", "sub/Two", "sub/deep/x", "C.txt", "l_1", "lx1", ".emptyFolderPlaceholder"} {
		a.put("l/"+k, strings.TrimPrefix("x", strings.Repeat("x", strings.Count(k, "Placeholder"))))
		a.exec(`update storage.objects set created_at = '2026-01-01 00:00:00Z'::timestamptz + $1 * interval '1 hour' where name = $2`, 100-i, k)
	}
	list := func(body map[string]any) string {
		t.Helper()
		return names(a.do("POST", "/object/list/l", a.service, body).list(t))
	}
	by := func(column, order string) map[string]any { return map[string]any{"column": column, "order": order} }
	for _, tt := range []struct {
		body map[string]any
		want string
	}{
		{map[string]any{"prefix": ""}, ".emptyFolderPlaceholder a.txt B.txt C.txt l_1 lx1 sub/"},
		{map[string]any{"prefix": "", "sortBy": by("name", "desc")}, "sub/ lx1 l_1 C.txt B.txt a.txt .emptyFolderPlaceholder"},
		{map[string]any{"prefix": "sub"}, "deep/ one Two"},
		{map[string]any{"prefix": "SUB/"}, "deep/ one Two"},
		{map[string]any{"prefix": "", "limit": "2", "offset": 1}, "a.txt B.txt"},
		{map[string]any{"prefix": "", "search": "b"}, "B.txt"},
		{map[string]any{"prefix": "", "search": "l_"}, "l_1"},
		{map[string]any{"prefix": "", "search": "%"}, ""},
		{map[string]any{"prefix": "", "search": "sub/o"}, "sub/one"},
		{map[string]any{"prefix": "sub", "search": "t"}, "Two"},
		{map[string]any{"prefix": "", "sortBy": by("created_at", "asc"), "limit": 3}, "sub/ .emptyFolderPlaceholder lx1"},
		{map[string]any{"prefix": "", "sortBy": by("created_at", "desc"), "limit": 2}, "sub/ a.txt"},
		{map[string]any{"prefix": "nothing"}, ""},
		{map[string]any{"prefix": "\x00"}, ""},
	} {
		if got := list(tt.body); got != tt.want {
			t.Errorf("%v:\ngot  %s\nwant %s", tt.body, got, tt.want)
		}
	}
	l := a.do("POST", "/object/list/l", a.service, map[string]any{"prefix": "", "limit": 2, "offset": 5}).list(t)
	file, folder := l[0], l[1]
	if len(file) != 6 || !isUUID(file["id"]) || file["metadata"].(map[string]any)["size"] != 1.0 || file["created_at"] != "2026-01-04T21:00:00.000Z" {
		t.Errorf("%v", file)
	}
	if len(folder) != 6 || folder["metadata"] != nil || folder["created_at"] != nil || folder["updated_at"] != nil || folder["last_accessed_at"] != nil {
		t.Errorf("%v", folder)
	}
	a.do("POST", "/object/list/none", a.service, map[string]any{"prefix": ""}).is(t, 200, "[]")
	a.do("POST", "/object/list/l", a.user(alice), map[string]any{"prefix": ""}).is(t, 200, "[]")
	invalid := func(body map[string]any, message string) {
		t.Helper()
		a.do("POST", "/object/list/l", a.service, body).fails(t, 400, "400", "Error", message, "InvalidRequest")
	}
	invalid(map[string]any{}, "body must have required property 'prefix'")
	invalid(map[string]any{"prefix": "", "limit": 0}, "body/limit must be >= 1")
	invalid(map[string]any{"prefix": "", "offset": -1}, "body/offset must be >= 0")
	invalid(map[string]any{"prefix": "", "sortBy": by("size", "asc")}, "body/sortBy/column must be equal to one of the allowed values")
	invalid(map[string]any{"prefix": "", "sortBy": by("name", "up")}, "body/sortBy/order must be equal to one of the allowed values")
	// far beyond an int32, and the cap
	if got := list(map[string]any{"prefix": "", "offset": int64(1) << 40}); got != "" {
		t.Error(got)
	}
	a.exec(`insert into storage.buckets (id, name) values ('many', 'many');
		insert into storage.objects (bucket_id, name) select 'many', 'k' || i from generate_series(1, 1600) i`)
	if n := len(a.do("POST", "/object/list/many", a.service, map[string]any{"prefix": "", "limit": int64(1) << 40}).list(t)); n != 1500 {
		t.Errorf("%d listed", n)
	}
	if n := len(a.do("POST", "/object/list/many", a.service, map[string]any{"prefix": ""}).list(t)); n != 100 {
		t.Errorf("%d listed", n)
	}
}

//covers:storage 1 50
func TestListV2(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("l", false)
	for i, k := range []string{"a.txt", "C.txt", "l/ab", "l/sub/x", "l/sub/y", "l/tail", "lz", "100_"} {
		a.put("l/"+k, "x")
		a.exec(`update storage.objects set created_at = '2026-01-01 00:00:00Z'::timestamptz + $1 * interval '1 millisecond' where name = $2`, (i*5)%9, k)
	}
	// pages reads all pages and says what was in each.
	pages := func(body map[string]any) string {
		t.Helper()
		var all []string
		for {
			p := a.do("POST", "/object/list-v2/l", a.service, body).ok(t)
			var one []string
			for _, kind := range []string{"folders", "objects"} {
				for _, e := range p[kind].([]any) {
					e := e.(map[string]any)
					n := e["name"].(string)
					if k, ok := e["key"]; ok {
						n = fmt.Sprintf("%s=%s", k, n)
					}
					one = append(one, n)
				}
			}
			all = append(all, strings.Join(one, " "))
			if p["hasNext"] != true {
				if _, ok := p["nextCursor"]; ok {
					t.Error("a cursor after the last page")
				}
				return strings.Join(all, " | ")
			}
			if body["cursor"] = p["nextCursor"]; len(all) > 20 {
				t.Fatalf("no end: %v", all)
			}
		}
	}
	by := func(column, order string) map[string]any { return map[string]any{"column": column, "order": order} }
	for _, tt := range []struct {
		body map[string]any
		want string
	}{
		{map[string]any{}, "100_ C.txt a.txt l/ab l/sub/x l/sub/y l/tail lz"},
		{map[string]any{"limit": 2}, "100_ C.txt | a.txt l/ab | l/sub/x l/sub/y | l/tail lz"},
		{map[string]any{"limit": 3, "sortBy": by("name", "desc")}, "lz l/tail l/sub/y | l/sub/x l/ab a.txt | C.txt 100_"},
		{map[string]any{"prefix": "l/a"}, "l/ab"},
		{map[string]any{"prefix": "L/a"}, ""},
		{map[string]any{"prefix": "1%"}, ""},
		{map[string]any{"prefix": "l/", "limit": 1, "with_delimiter": true}, "ab=l/ab | sub=l/sub/ | tail=l/tail"},
		{map[string]any{"with_delimiter": true}, "l=l/ 100_=100_ C.txt=C.txt a.txt=a.txt lz=lz"},
		{map[string]any{"with_delimiter": true, "limit": 2}, "100_=100_ C.txt=C.txt | l=l/ a.txt=a.txt | lz=lz"},
		{map[string]any{"with_delimiter": true, "limit": 2, "sortBy": by("name", "desc")}, "l=l/ lz=lz | a.txt=a.txt C.txt=C.txt | 100_=100_"},
		{map[string]any{"limit": 3, "sortBy": by("created_at", "asc")}, "a.txt l/ab l/sub/y | lz C.txt l/sub/x | l/tail 100_"},
	} {
		if got := pages(tt.body); got != tt.want {
			t.Errorf("%v:\ngot  %s\nwant %s", tt.body, got, tt.want)
		}
	}
	for _, k := range []string{"d", "d!y", "d-z", "d/x", "d//x", "d0", "c-"} { // a file and a folder of the same name, and what is between them
		a.put("l/same/"+k, "x")
	}
	for _, tt := range []struct{ prefix, order, want string }{
		{"same/", "asc", "c- d d!y d-z d/ d0"},
		{"same/", "desc", "d0 d/ d-z d!y d c-"},
		{"same/d/", "asc", "d/ d/x"},
		{"same/d/", "desc", "d/x d/"},
	} {
		for limit := 1; limit < 7; limit++ {
			got := pages(map[string]any{"prefix": tt.prefix, "with_delimiter": true, "limit": limit, "sortBy": by("name", tt.order)})
			var names []string // folders come first in a page
			for page := range strings.SplitSeq(got, " | ") {
				all := strings.Fields(page)
				slices.SortFunc(all, func(a, b string) int {
					if tt.order == "desc" {
						a, b = b, a
					}
					return strings.Compare(a[strings.IndexByte(a, '=')+1:], b[strings.IndexByte(b, '=')+1:])
				})
				for _, e := range all {
					names = append(names, e[strings.LastIndex(e, "same/")+5:])
				}
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("%s by %d: %s, want %s", tt.order, limit, got, tt.want)
			}
		}
	}
	a.exec(`update storage.objects set created_at = '2026-02-01' where name like 'same/%'`)
	for order, want := range map[string]string{"asc": "c- | d | d/ | d!y | d-z | d0", "desc": "d0 | d-z | d!y | d/ | d | c-"} {
		body := map[string]any{"prefix": "same/", "with_delimiter": true, "limit": 1, "sortBy": by("created_at", order)}
		if got := regexp.MustCompile(`[^ ]*=same/`).ReplaceAllString(pages(body), ""); got != want {
			t.Errorf("of the same time, %s: %s, want %s", order, got, want)
		}
	}
	// the platform's cursors do not tell a file from a folder
	cursor := base64.StdEncoding.EncodeToString([]byte("l:same/d\no:desc\nc:created_at\na:2026-02-01T00:00:00.000Z"))
	if got := pages(map[string]any{"prefix": "same/", "with_delimiter": true, "cursor": cursor}); got != "c-=same/c-" {
		t.Errorf("after a cursor of the platform: %s", got)
	}
	r := a.do("POST", "/object/list-v2/l", a.service, map[string]any{"prefix": "l/sub/", "limit": 1})
	o := r.ok(t)["objects"].([]any)[0].(map[string]any)
	if len(o) != 6 || !isUUID(o["id"]) || o["metadata"].(map[string]any)["size"] != 1.0 {
		t.Errorf("%v", o)
	}
	if got, want := r.ok(t)["nextCursor"], base64.StdEncoding.EncodeToString([]byte("l:l/sub/x")); got != want {
		t.Errorf("cursor %v, want %s", got, want)
	}
	a.do("POST", "/object/list-v2/none", a.service, map[string]any{}).is(t, 200, `{"hasNext":false,"folders":[],"objects":[]}`)
	a.do("POST", "/object/list-v2/l", a.user(alice), map[string]any{}).is(t, 200, `{"hasNext":false,"folders":[],"objects":[]}`)
	a.do("POST", "/object/list-v2/l", a.service, map[string]any{"cursor": "eDp5"}).
		fails(t, 400, "400", "InvalidParameter", "Invalid Parameter continuation token", "InvalidParameter")
}
