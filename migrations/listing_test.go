package migrations_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suparust/suparust/migrations"
)

// keys makes object names that share folders, differ by case only, sort around
// the slash, and have empty segments.
func keys(r *rand.Rand, n int) []string {
	segments := []string{"a", "b", "A", "B", "ab", "a b", "a_b", "a%b", "a-", "a.", "a0", "x.txt", "foo", "Foo", "foo-1", "é", "É", "z\U0001f600"}
	set := make(map[string]bool)
	for range n {
		name := segments[r.IntN(len(segments))]
		for range r.IntN(4) {
			name += "/" + segments[r.IntN(len(segments))]
		}
		switch r.IntN(20) {
		case 0:
			name += "/"
		case 1:
			name += "//" + segments[r.IntN(len(segments))]
		}
		set[name] = true
	}
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fill puts the names into bucket "b"; another bucket holds some of them too.
func fill(t *testing.T, c *conn, names []string) {
	t.Helper()
	c.exec("insert into storage.buckets (id, name) values ('b', 'b'), ('other', 'other')")
	if _, err := c.Exec(t.Context(), `
		insert into storage.objects (bucket_id, name, created_at, updated_at)
		select 'b', name, at, at + interval '1 day' from unnest($1::text[]) with ordinality u (name, n),
			lateral (select timestamptz '2026-01-01' + (n * 7919 % 1000) * interval '1 minute' as at) x`, names); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), `insert into storage.objects (bucket_id, name) select 'other', unnest($1::text[])`, names[:len(names)/2]); err != nil {
		t.Fatal(err)
	}
}

// entry is one row of a listing: the name, with a slash behind a folder's.
type entries []string

// level lists one level of sorted names by hand.
func level(names []string, prefix string) entries {
	var out entries
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		entry := name
		if i := strings.Index(rest, "/"); i >= 0 {
			entry = prefix + rest[:i+1]
			if len(out) > 0 && out[len(out)-1] == "folder "+entry {
				continue
			}
			entry = "folder " + entry
		}
		out = append(out, entry)
	}
	for i, e := range out {
		if folder, ok := strings.CutPrefix(e, "folder "); ok {
			out[i] = strings.TrimRight(folder, "/") + " (folder)"
		}
	}
	return out
}

// resume drops the names that a listing has passed when it stood at cursor.
func resume(names []string, cursor string, ascending bool) []string {
	if cursor == "" {
		return names
	}
	isFolder := slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, cursor+"/") })
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		switch {
		case isFolder && ascending:
			return n < cursor+"0"
		case isFolder:
			return n >= cursor+"/"
		case ascending:
			return n <= cursor
		default:
			return n >= cursor
		}
	})
}

func firstN(list entries, n int) entries { return list[:min(n, len(list))] }

//covers:storage 74
func TestListObjects(t *testing.T) {
	t.Parallel()
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	names := keys(r, 900)
	c := start(t, migrations.Options{}).connect(t, "postgres")
	fill(t, c, names)
	prefixes := []string{"", "a", "a/", "a/b/", "foo", "foo/", "é/", "none", "a_", "a//", "a b/"}
	for range 300 {
		prefix := prefixes[r.IntN(len(prefixes))]
		limit := []int{0, 1, 2, 10, 1000}[r.IntN(5)]
		order := []string{"asc", "desc"}[r.IntN(2)]
		cursor := ""
		switch r.IntN(4) {
		case 0:
			cursor = names[r.IntN(len(names))]
		case 1:
			cursor, _, _ = strings.Cut(names[r.IntN(len(names))], "/")
		}
		want := level(resume(names, cursor, order == "asc"), prefix)
		if order == "desc" {
			slices.Reverse(want)
		}
		want = firstN(want, limit)
		for _, call := range []string{
			"storage.list_objects_with_delimiter('b', $1, '/', $2::int, $3, '', $4)",
			"storage.list_objects_with_delimiter('b', $1, '/', $2::int, 'zzz', nullif($3, ''), $4)",
			"storage.search_v2($1, 'b', $2::int, 1, $3, $4)",
		} {
			if strings.Contains(call, "zzz") && cursor == "" {
				continue // without a token start_after counts
			}
			got := c.lines("select name || case when id is null then ' (folder)' else '' end from "+call, prefix, limit, cursor, order)
			if diff := cmp.Diff([]string(want), got); diff != "" && len(want)+len(got) > 0 {
				t.Fatalf("%s of prefix %q, limit %d, after %q, %s, seed %d (-want +got)\n%s", call, prefix, limit, cursor, order, seed, diff)
			}
		}
	}
}

// TestListObjectsByPage reads more rows than one batch of the function holds.
//
//covers:storage 74
func TestListObjectsByPage(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{}).connect(t, "postgres")
	c.exec(`insert into storage.buckets (id, name) values ('b', 'b');
		insert into storage.objects (bucket_id, name) select 'b', 'flat/' || n from generate_series(1, 1700) n;
		insert into storage.objects (bucket_id, name) select 'b', 'many/' || n || '/x' from generate_series(1, 600) n;`)
	for _, order := range []string{"asc", "desc"} {
		for prefix, want := range map[string]int{"flat/": 1700, "many/": 600} {
			if got := c.one("select count(*), count(distinct name) from storage.list_objects_with_delimiter('b', $1, '/', 10000, '', '', $2)", prefix, order); got != fmt.Sprintf("%d | %d", want, want) {
				t.Errorf("%s %s in one page: %s", prefix, order, got)
			}
			if got := c.one("select count(distinct name) from (select * from storage.search($1, 'b', 1500, 1, 0, '', 'name', $2) union all select * from storage.search($1, 'b', 1500, 1, 1500, '', 'name', $2)) x", prefix, order); got != fmt.Sprint(want) {
				t.Errorf("%s %s by offset: %s", prefix, order, got)
			}
			seen, cursor := 0, ""
			for {
				page := c.lines("select name from storage.list_objects_with_delimiter('b', $1, '/', 333, $2, '', $3)", prefix, cursor, order)
				if len(page) == 0 {
					break
				}
				seen += len(page)
				cursor = page[len(page)-1]
			}
			if seen != want {
				t.Errorf("%s %s by cursor: %d rows, want %d", prefix, order, seen, want)
			}
		}
	}
}

// searched is what storage.search lists by name: like level, without regard to
// case, relative to the prefix.
func searched(names []string, prefix, search string, ascending bool) entries {
	names = slices.Clone(names)
	slices.SortFunc(names, func(a, b string) int {
		n := strings.Compare(strings.ToLower(a), strings.ToLower(b))
		if n == 0 {
			n = strings.Compare(a, b)
		}
		if !ascending {
			n = -n
		}
		return n
	})
	low := strings.ToLower(prefix + search)
	var out entries
	last := ""
	for _, name := range names {
		rest, ok := strings.CutPrefix(strings.ToLower(name), low)
		if !ok {
			continue
		}
		i := strings.Index(rest, "/")
		if i < 0 {
			out = append(out, name[len(prefix):])
			last = ""
			continue
		}
		if folder := low + rest[:i+1]; folder != last {
			shown := strings.TrimRight(name[:len(folder)], "/")
			out = append(out, shown[min(len(prefix), len(shown)):]+" (folder)")
			last = folder
		}
	}
	return out
}

//covers:storage 74
func TestSearch(t *testing.T) {
	t.Parallel()
	const seed = 2
	r := rand.New(rand.NewPCG(seed, 0))
	names := keys(r, 900)
	c := start(t, migrations.Options{}).connect(t, "postgres")
	fill(t, c, names)
	prefixes := []string{"", "a/", "A/", "a/b/", "foo/", "é/", "none/", "a b/"}
	for range 300 {
		prefix := prefixes[r.IntN(len(prefixes))]
		search := []string{"", "", "f", "A", "a_", "x."}[r.IntN(6)]
		limit := []int{1, 2, 10, 1000}[r.IntN(4)]
		offset := []int{0, 0, 1, 5, 1000}[r.IntN(5)]
		order := []string{"asc", "desc"}[r.IntN(2)]
		want := searched(names, prefix, search, order == "asc")
		want = firstN(want[min(offset, len(want)):], limit)
		got := c.lines("select name || case when id is null then ' (folder)' else '' end from storage.search($1, 'b', $2::int, 1, $3::int, $4, 'name', $5)",
			prefix, limit, offset, search, order)
		if diff := cmp.Diff([]string(want), got); diff != "" && len(want)+len(got) > 0 {
			t.Fatalf("prefix %q, search %q, limit %d, offset %d, %s, seed %d (-want +got)\n%s", prefix, search, limit, offset, order, seed, diff)
		}
	}
}

// TestSearchByTime lists by a time column: both functions, both directions, and
// page after page.
//
//covers:storage 74
func TestSearchByTime(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{}).connect(t, "postgres")
	c.exec(`
		set timezone = 'UTC';
		insert into storage.buckets (id, name) values ('b', 'b');
		insert into storage.objects (bucket_id, name, created_at, updated_at) values
			('b', 'd/one',       '2026-01-03', '2026-01-09'),
			('b', 'd/two',       '2026-01-01', '2026-01-02'),
			('b', 'd/sub/x',     '2026-01-02', '2026-01-20'),
			('b', 'd/sub/y',     '2026-01-05', '2026-01-06'),
			('b', 'd/late/z',    '2026-01-04', '2026-01-04'),
			('b', 'd/same',      '2026-01-03', '2026-01-03'),
			('b', 'dx/hidden',   '2026-01-01', '2026-01-01');`)
	for _, tt := range []struct{ query, want string }{
		{"select name from storage.search('d/', 'b', 100, 2, 0, '', 'created_at', 'asc')", "late sub two one same"},
		{"select name from storage.search('d/', 'b', 100, 2, 0, '', 'updated_at', 'desc')", "sub late one same two"},
		{"select name from storage.search('d/', 'b', 2, 2, 2, '', 'updated_at', 'desc')", "one same"},
		{"select name from storage.search('D/', 'b', 100, 2, 0, 'S', 'created_at', 'asc')", "sub same"},
		{"select name from storage.search_v2('d/', 'b', 100, 2, '', 'asc', 'created_at')", "d/two d/sub d/one d/same d/late"},
		{"select key from storage.search_v2('d/', 'b', 100, 2, '', 'desc', 'created_at')", "late same one sub two"},
		{"select key from storage.search_v2('d/', 'b', 100, 2, '', 'ASC', 'UPDATED_AT')", "sub two same late one"},
		{"select key from storage.search_v2('d/', 'b', 2, 2, 'd/one', 'asc', 'created_at', '2026-01-03 00:00:00+00')", "same late"},
		{"select key from storage.search_v2('d/', 'b', 9, 2, 'd/same', 'desc', 'created_at', '2026-01-03 00:00:00+00')", "one sub two"},
		{"select key from storage.search_v2('d/', 'b', 9, 2, '', 'sideways', 'colour')", "late one same sub two"},
	} {
		if got := strings.Join(c.lines(tt.query), " "); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.query, got, tt.want)
		}
	}
	if got := c.one("select created_at, updated_at, id is null from storage.search_v2('d/', 'b', 100, 2, '', 'asc', 'created_at') where key = 'sub'"); got != "2026-01-02 00:00:00+00 | 2026-01-02 00:00:00+00 | t" {
		t.Errorf("times of a folder: %s", got)
	}
}

func TestListMultipartUploads(t *testing.T) {
	t.Parallel()
	c := start(t, migrations.Options{}).connect(t, "supabase_storage_admin")
	c.exec(`
		insert into buckets (id, name) values ('b', 'b'), ('c', 'c');
		insert into s3_multipart_uploads (id, upload_signature, bucket_id, key, version, created_at) values
			('u1', '', 'b', 'a/1', '', '2026-01-02'), ('u2', '', 'b', 'a/2', '', '2026-01-01'),
			('u3', '', 'b', 'top', '', '2026-01-02'), ('u4', '', 'b', 'top', '', '2026-01-01'),
			('u5', '', 'b', 'zed', '', '2026-01-01'), ('u6', '', 'c', 'none', '', '2026-01-01');`)
	for _, tt := range []struct{ arguments, want string }{
		{"'b', '', '/'", "a/ u1,top u4,zed u5"},
		{"'b', 'a/', '/'", "a/1 u1,a/2 u2"},
		{"'b', '', '/', 2", "a/ u1,top u4"},
		{"'b', '', '/', 10, 'a/'", "top u4,zed u5"},
		{"'b', '', '/', 10, 'top', 'u3'", "top u4,zed u5"},
		{"'b', '', '/', 10, '', 'u4'", "zed u5"},
	} {
		got := strings.ReplaceAll(strings.Join(c.lines("select key, id from storage.list_multipart_uploads_with_delimiter("+tt.arguments+")"), ","), " | ", " ")
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.arguments, got, tt.want)
		}
	}
}
