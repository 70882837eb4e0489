package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// libraryVersions are the versions that embedded-postgres is asked for, by major version.
var libraryVersions = map[int]string{15: "15.18.0", 16: "16.14.0", 17: "17.10.0", 18: "18.4.0"}

// libraryArchiveName is the name under which embedded-postgres keeps the archive of a version.
func libraryArchiveName(version string) string {
	arch := runtime.GOARCH
	switch {
	case runtime.GOOS == "linux" && arch == "arm64", runtime.GOOS == "darwin" && arch == "arm64":
		arch = "arm64v8"
	case runtime.GOOS == "linux" && arch == "arm":
		arch = "arm32v7"
	}
	if isFile("/etc/alpine-release") {
		arch += "-alpine"
	}
	return fmt.Sprintf("embedded-postgres-binaries-%s-%s-%s.txz", runtime.GOOS, arch, version)
}

// libraryArchives lists the archives of a major version in embedded-postgres's own cache, newest version first.
func libraryArchives(cache string, major int) []string {
	found, err := filepath.Glob(filepath.Join(cache, libraryArchiveName(strconv.Itoa(major)+".*")))
	if err != nil {
		return nil
	}
	minor := func(name string) int {
		_, version, _ := strings.Cut(filepath.Base(name), "-"+strconv.Itoa(major)+".")
		n, _, _ := strings.Cut(version, ".")
		v, _ := strconv.Atoi(n) // an odd name sorts last
		return v
	}
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(minor(b), minor(a)) })
	return found
}

const (
	probeLimit = 5 * time.Second
	fetchLimit = 4 * time.Minute
)

// fetchWithLibrary has embedded-postgres download an archive into dir. It has no call that only downloads and knows no
// context. So: the repository is asked first whether it answers at all, the paths are such that it must stop after the
// download (what should become a directory below the archive cannot, for the archive is a file), and a download that
// takes too long is left to end by itself.
func fetchWithLibrary(ctx context.Context, dir, version string) (string, error) {
	if err := probeRepository(ctx); err != nil {
		return "", err
	}
	archive := filepath.Join(dir, libraryArchiveName(version))
	done := make(chan error, 1)
	go func() {
		done <- embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
			Version(embeddedpostgres.PostgresVersion(version)).
			CachePath(dir).
			BinariesPath(filepath.Join(archive, "none")).
			RuntimePath(filepath.Join(archive, "none", "bin", "postgres", "none")).
			Port(freeTCPPort()).
			Logger(io.Discard)).Start()
	}()
	timeout := time.NewTimer(fetchLimit)
	defer timeout.Stop()
	select {
	case err := <-done:
		if isFile(archive) {
			return archive, nil
		}
		return "", cmp.Or(err, errors.New("the library fetched nothing"))
	case <-timeout.C:
		return "", fmt.Errorf("the download did not end within %s", fetchLimit)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// probeRepository asks the library's repository for a sign of life. Any answer will do.
func probeRepository(ctx context.Context) error {
	base := libraryRepository()
	if base == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, base, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("its repository does not answer: %w", err)
	}
	return resp.Body.Close()
}

// libraryRepository reads the address out of the library's default settings, which do not tell it.
func libraryRepository() string {
	f := reflect.ValueOf(embeddedpostgres.DefaultConfig()).FieldByName("binaryRepositoryURL")
	if f.Kind() != reflect.String {
		return ""
	}
	return f.String()
}

func freeTCPPort() uint32 {
	port, err := freePort("127.0.0.1")
	if err != nil {
		return 0
	}
	return uint32(port)
}

// libraryLogs lists the log files that embedded-postgres leaves behind in the temporary directory.
func libraryLogs() []string {
	found, err := filepath.Glob(filepath.Join(os.TempDir(), "embedded_postgres_log*"))
	if err != nil {
		return nil
	}
	return found
}
