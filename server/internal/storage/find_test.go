package storage_test

import "testing"

// TestReadable: what a caller with a token may read is what the bucket and the
// policies say at that moment, whatever they said before.
//
//covers:storage 47
func TestReadable(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.bucket("b", true)
	a.put("b/k", "hello")
	user := a.user("8f2a5b1e-7d1e-4a7f-9c55-0d3f6a2b1c4d")
	open := func(public bool) { a.exec(`update storage.buckets set public = $1 where id = 'b'`, public) }
	for _, step := range []struct {
		name   string
		before func()
		hidden bool   // from the user
		says   string // the error, "" for what a hidden object is answered with
	}{
		{"a public bucket", func() {}, false, ""},
		{"made private", func() { open(false) }, true, ""},
		{"a policy shows it", func() { a.exec(`create policy see on storage.objects for select to authenticated using (true)`) }, false, ""},
		{"public again", func() { open(true) }, false, ""},
		{"the policy is gone", func() { a.exec(`drop policy see on storage.objects`) }, false, ""},
		{"private again", func() { open(false) }, true, ""},
		{"a policy that fails", func() {
			a.exec(`create function public.fail() returns boolean language plpgsql as $$ begin raise 'not now' using errcode = '42501'; end $$;
				create policy see on storage.objects for select to authenticated using (public.fail())`)
		}, true, "not now"},
		{"which nobody asks in a public bucket", func() { open(true) }, false, ""},
		{"of which it is known", func() {}, false, ""},
		{"private with it", func() { open(false) }, true, "not now"},
	} {
		step.before()
		for _, path := range []string{"/object/b/k", "/object/authenticated/b/k"} {
			got := a.do("GET", path, user, nil)
			switch {
			case !step.hidden:
				if got.status != 200 || got.body != "hello" {
					t.Errorf("%s: %s: %d %s", step.name, path, got.status, got.body)
				}
			case step.says != "":
				if got.status < 400 || got.body == "hello" {
					t.Errorf("%s: %s: %d %s", step.name, path, got.status, got.body)
				}
			default:
				got.fails(t, 400, "404", "not_found", "Object not found", "NoSuchKey")
			}
			if got := a.do("GET", path, a.service, nil); got.status != 200 {
				t.Errorf("%s: %s as service_role: %d %s", step.name, path, got.status, got.body)
			}
		}
		if got := a.do("HEAD", "/object/b/k", user, nil); got.status == 200 == step.hidden {
			t.Errorf("%s: HEAD: %d", step.name, got.status)
		}
		if got := a.do("GET", "/object/info/b/k", user, nil); got.status == 200 == step.hidden {
			t.Errorf("%s: info: %d", step.name, got.status)
		}
	}
	open(true)
	a.do("GET", "/object/b/k", user, nil).is(t, 200, "hello")
	a.do("GET", "/object/b/none", user, nil).fails(t, 400, "404", "not_found", "Object not found", "NoSuchKey")
	a.do("DELETE", "/object/b/k", a.service, nil).ok(t)
	a.do("DELETE", "/bucket/b", a.service, nil).ok(t)
	a.do("GET", "/object/b/k", user, nil).noSuchBucket(t)
	a.do("GET", "/object/b/k", a.service, nil).noSuchBucket(t)
}
