package storage_test

import (
	"sort"
	"strings"
	"testing"
)

//covers:storage 1 18 57 80
func TestDelete(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	user := a.user(alice)
	for _, k := range []string{"one", "two", "three", "four"} {
		a.put("b/"+k, k)
	}
	a.do("DELETE", "/object/b/one", a.service, nil).is(t, 200, `{"message":"Successfully deleted"}`)
	a.do("DELETE", "/object/b/one", a.service, nil).noSuchKey(t)
	a.do("DELETE", "/object/none/one", a.service, nil).noSuchKey(t)
	a.do("DELETE", "/object/b/a%23", a.service, nil).noSuchKey(t)
	a.do("DELETE", "/object/b/%2e%2e/one", a.service, nil).noSuchKey(t)
	denied := func(r answer) {
		t.Helper()
		r.fails(t, 400, "403", "Unauthorized", "Access denied", "AccessDenied")
	}
	denied(a.do("DELETE", "/object/b/two", user, nil))
	a.exec(mayDelete)
	denied(a.do("DELETE", "/object/b/two", user, nil)) // RETURNING needs SELECT too
	a.do("DELETE", "/object/b/nothing", user, nil).noSuchKey(t)
	a.exec(maySelect)
	a.do("DELETE", "/object/b/two", user, nil).is(t, 200, `{"message":"Successfully deleted"}`)

	l := a.do("DELETE", "/object/b", a.service, map[string]any{"prefixes": []string{"three", "four", "missing", "\x00", "thr"}}).list(t)
	sort.Slice(l, func(i, j int) bool { return l[i]["name"].(string) < l[j]["name"].(string) })
	if len(l) != 2 || l[0]["name"] != "four" || l[1]["name"] != "three" {
		t.Fatalf("%v", l)
	}
	if o := l[0]; len(o) != 11 || o["owner"] != "" || o["owner_id"] != "" || o["bucket_id"] != "b" || !isUUID(o["version"]) || !isUUID(o["id"]) ||
		o["metadata"].(map[string]any)["eTag"] != etag("four") || len(o["user_metadata"].(map[string]any)) != 0 {
		t.Errorf("%v", o)
	}
	a.do("DELETE", "/object/none", a.service, map[string]any{"prefixes": []string{"x"}}).is(t, 200, "[]")
	a.do("DELETE", "/object/b", a.service, map[string]any{"prefixes": []string{}}).
		fails(t, 400, "400", "Error", "body/prefixes must NOT have fewer than 1 items", "InvalidRequest")
	a.do("DELETE", "/object/b", a.service, map[string]any{}).
		fails(t, 400, "400", "Error", "body must have required property 'prefixes'", "InvalidRequest")
	if got := a.files(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

//covers:storage 57
func TestDeleteManyInBatches(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", false)
	a.exec(`insert into storage.objects (bucket_id, name) select 'b', 'k' || i from generate_series(1, 1201) i`)
	keys := strings.Fields(a.one(`select string_agg(name, ' ') from storage.objects`))
	if n := len(a.do("DELETE", "/object/b", a.service, map[string]any{"prefixes": keys}).list(t)); n != 1201 {
		t.Errorf("%d deleted", n)
	}
}
