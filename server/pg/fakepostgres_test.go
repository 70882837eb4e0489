//go:build unix

package pg

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// The programs of these tests are shell scripts that say a version: what is tested is which of them is chosen.

func fakePostgres(version string) string {
	return "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
}

// fakeTree returns the files of an installation.
func fakeTree(version string) map[string]string {
	files := map[string]string{"bin/postgres": fakePostgres(version), "bin/initdb": "#!/bin/sh\n", "bin/pg_ctl": "#!/bin/sh\n"}
	for _, ext := range append([]string{"plpgsql"}, neededExtensions...) {
		files["share/postgresql/extension/"+ext+".control"] = "x"
	}
	return files
}

func writeTree(tb testing.TB, dir string, files map[string]string) string {
	tb.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o755)); err != nil {
			tb.Fatal(err)
		}
	}
	return filepath.Join(dir, "bin")
}

func tarOf(tb testing.TB, files map[string]string, links ...[2]string) []byte {
	tb.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for name, content := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(tw, content); err != nil {
			tb.Fatal(err)
		}
	}
	for _, l := range links {
		if err := tw.WriteHeader(&tar.Header{Name: l[0], Linkname: l[1], Typeflag: tar.TypeSymlink}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func gzipped(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := zw.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func npmArchive(tb testing.TB, version string) []byte {
	files := map[string]string{"package/package.json": "{}", "package/native/pg-symlinks.json": `[{"source":"native/lib/libx.so.5.1","target":"native/lib/libx.so.5"}]`, "package/native/lib/libx.so.5.1": "lib"}
	for name, content := range fakeTree(version) {
		files["package/native/"+name] = content
	}
	return gzipped(tb, tarOf(tb, files))
}

func integrityOf(b []byte) string {
	sum := sha512.Sum512(b)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

func with(files map[string]string, name, content string) map[string]string {
	files[name] = content
	return files
}
