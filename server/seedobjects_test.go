//go:build unix

package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// writeFiles makes files below root.
func writeFiles(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const seedConfig = `[db.seed]
enabled = false
[storage.buckets.pictures]
public = true
objects_path = "./pictures"
[storage.buckets.one]
objects_path = "./supabase/single.css"
[storage.buckets.bare]
objects_path = "./nowhere"
`

// ofProject is durable with the project in root.
func ofProject(t *testing.T, dir, root string) server.Config {
	t.Helper()
	c := durable(dir)
	warnings, err := c.LoadProject(root, func(string) (string, bool) { return "", false })
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	free := durable(dir)
	c.BindAddr, c.Port, c.Database.Port, c.Database.DataDir, c.Storage.Root, c.Mail = free.BindAddr, free.Port, free.Database.Port, free.Database.DataDir, free.Storage.Root, free.Mail
	return c
}

// TestSeedObjects: the files of objects_path are stored at the start, with the
// types that the official CLI gives them, and again only when they change.
//
//covers:storage 77
func TestSeedObjects(t *testing.T) {
	t.Parallel()
	dir, root := publicTempDir(t), t.TempDir()
	writeFiles(t, root, map[string]string{
		"supabase/config.toml":             seedConfig,
		"supabase/pictures/a.png":          "\x89PNG\r\n\x1a\n....",
		"supabase/pictures/deep/page.html": "<html></html>",
		"supabase/pictures/data.json":      `{"a":1}`,
		"supabase/single.css":              "a { }",
	})
	if err := os.Symlink("a.png", filepath.Join(root, "supabase/pictures/link.png")); err != nil {
		t.Fatal(err)
	}
	versions := func(c *suparusttest.Client) string {
		var names []string
		for _, p := range []string{"pictures/a.png", "pictures/deep/page.html", "pictures/data.json", "one/single.css"} {
			var info struct {
				Version      string `json:"version"`
				ContentType  string `json:"content_type"`
				CacheControl string `json:"cache_control"`
			}
			c.Get(t, "/storage/v1/object/info/"+p).WantStatus(t, http.StatusOK).JSON(t, &info)
			names = append(names, info.Version)
			want := map[string]string{".png": "image/png", ".css": "text/css; charset=utf-8", ".json": "application/json", ".html": "text/html; charset=utf-8"}[filepath.Ext(p)]
			if info.ContentType != want || info.CacheControl != "max-age=3600" {
				t.Errorf("%s: %s, %s", p, info.ContentType, info.CacheControl)
			}
		}
		return strings.Join(names, " ")
	}
	s, stop := serve(t, ofProject(t, dir, root))
	first := versions(service(s))
	if got := string(service(s).Get(t, "/storage/v1/object/public/pictures/deep/page.html").WantStatus(t, http.StatusOK).Body); got != "<html></html>" {
		t.Errorf("%q", got)
	}
	service(s).Get(t, "/storage/v1/object/public/pictures/link.png").WantStatus(t, http.StatusBadRequest)
	stop()

	s, stop = serve(t, ofProject(t, dir, root))
	if again := versions(service(s)); again != first {
		t.Errorf("a restart has stored the files again:\n%s\n%s", first, again)
	}
	service(s).Delete(t, "/storage/v1/object/pictures/data.json").WantStatus(t, http.StatusOK)
	stop()

	writeFiles(t, root, map[string]string{"supabase/single.css": "b { }", "supabase/pictures/new.txt": "new"})
	s, stop = serve(t, ofProject(t, dir, root))
	was, is := strings.Fields(first), strings.Fields(versions(service(s)))
	if was[0] != is[0] || was[1] != is[1] || was[2] == is[2] || was[3] == is[3] {
		t.Errorf("not the changed and missing files alone:\n%s\n%s", was, is)
	}
	if got := string(service(s).Get(t, "/storage/v1/object/public/pictures/new.txt").WantStatus(t, http.StatusOK).Body); got != "new" {
		t.Errorf("%q", got)
	}
	stop()

	writeFiles(t, root, map[string]string{"supabase/config.toml": strings.Replace(seedConfig, "public = true", `allowed_mime_types = ["image/png"]`, 1), "supabase/pictures/new.txt": "newer"})
	if says := refused(t, ofProject(t, dir, root)); !strings.Contains(says, "store supabase/pictures/") || !strings.Contains(says, "is not supported; change the file, or the bucket in config.toml") {
		t.Error(says)
	}
	writeFiles(t, root, map[string]string{"supabase/config.toml": "[db.seed]\nenabled = false\n[storage.buckets.out]\nobjects_path = \"../../../../../etc\"\n"})
	if says := refused(t, ofProject(t, dir, root)); !strings.Contains(says, "stay inside it") {
		t.Error(says)
	}
}

// TestSeedObjectsOfTests: a test's own server has the files, too.
func TestSeedObjectsOfTests(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	writeFiles(t, root, map[string]string{"supabase/config.toml": seedConfig, "supabase/pictures/a.txt": "a", "supabase/single.css": "b { }"})
	srv := suparusttest.Start(t, suparusttest.WithProject(root))
	if got := string(srv.Client().Get(t, "/storage/v1/object/public/pictures/a.txt").WantStatus(t, http.StatusOK).Body); got != "a" {
		t.Errorf("%q", got)
	}
}
