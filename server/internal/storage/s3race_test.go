package storage_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/storage"
	"github.com/suparust/suparust/server/internal/storage/blob"
)

// TestS3Race: whatever many clients of two servers do at once to the same
// uploads and objects, in the end each row has its bytes and no bytes are
// without a row, and what was answered is so.
//
//covers:storage 66 82 86
func TestS3Race(t *testing.T) {
	t.Parallel()
	t.Run("with a database that answers", func(t *testing.T) {
		t.Parallel()
		raceS3(t, false)
	})
	// then what was answered is not known, and bytes may wait for the sweep
	t.Run("with a database whose answers get lost", func(t *testing.T) {
		t.Parallel()
		raceS3(t, true)
	})
}

// flaky is a connection that breaks now and then when an answer comes.
type flaky struct{ net.Conn }

func (f flaky) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if n > 0 && rand.IntN(40) == 0 {
		f.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func raceS3(t *testing.T, lossy bool) {
	var disk blob.Store
	var s3 storage.S3Config
	a, one := startS3(t, func(c *storage.Config) { disk, s3 = c.Blobs, c.S3 })
	two := *one
	login, err := pgx.ParseConfig(a.dsn)
	if err != nil {
		t.Fatal(err)
	}
	if dial := login.DialFunc; lossy {
		login.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return flaky{conn}, err
		}
	}
	two.a = a.besideWith(t, storage.Config{Blobs: disk, S3: s3}, login, unwrapped)
	a.bucket("b", true)
	const clients, rounds = 6, 80
	seed := rand.Uint64()
	t.Logf("seed %d", seed)

	var mu sync.Mutex
	uploads := map[string]string{} // the path of each
	var latest []string
	ended := map[string]string{} // how
	begun := func(path, id string) {
		mu.Lock()
		defer mu.Unlock()
		uploads[id] = path
		latest = append(latest, id)
	}
	end := func(id, how string) {
		mu.Lock()
		defer mu.Unlock()
		if before, ok := ended[id]; ok {
			t.Errorf("an upload was %s and then %s", before, how)
		}
		ended[id] = how
	}
	pick := func(r *rand.Rand) (path, id string) {
		mu.Lock()
		defer mu.Unlock()
		if len(latest) == 0 {
			return "", ""
		}
		id = latest[len(latest)-1-r.IntN(min(len(latest), 2))]
		return uploads[id], id
	}
	var all sync.WaitGroup
	for n := range clients {
		c := []*s3Client{one, &two}[n%2]
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		all.Go(func() {
			for i := range rounds {
				key := fmt.Sprintf("/b/k%d", r.IntN(2))
				path, id := pick(r)
				var got answer
				switch op := r.IntN(16); {
				case op == 0 || id == "":
					got = c.do("POST", key, "uploads", "")
					var doc struct{ UploadId string }
					if lossy && got.status != 200 {
						continue
					}
					if err := xml.Unmarshal([]byte(got.body), &doc); err != nil {
						t.Errorf("%s: %v", got.body, err)
						return
					}
					begun(key, doc.UploadId)
				case op <= 7:
					got = c.do("PUT", path, fmt.Sprintf("partNumber=%d&uploadId=%s", 1+r.IntN(3), id), fmt.Sprint("part ", n, i))
				case op <= 11:
					if got = c.do("POST", path, "uploadId="+id, ""); got.status == 200 {
						end(id, "completed")
					}
				case op == 12:
					if got = c.do("DELETE", path, "uploadId="+id, ""); got.status == 200 {
						end(id, "aborted")
					}
				case op == 13:
					got = c.do("PUT", path, fmt.Sprintf("partNumber=1&uploadId=%s", id), "", headers{"X-Amz-Copy-Source": key[1:]})
				case op == 14:
					got = c.do("PUT", key, "", "", headers{"X-Amz-Copy-Source": "b/k0", "X-Amz-Metadata-Directive": "REPLACE"})
				default:
					got = c.do("DELETE", key, "", "")
				}
				if lossy {
					continue
				}
				if got.status >= 500 || got.status == 400 && !strings.Contains(got.body, "InvalidPart") {
					t.Errorf("%d %s", got.status, got.body)
				}
			}
		})
	}
	all.Wait()
	check := func(when string) {
		t.Helper()
		var rows []string
		if err := a.row(&rows, `select coalesce(array_agg(version), '{}') from (select version from storage.objects
			union all select id::text from storage.s3_multipart_uploads_parts) v`); err != nil {
			t.Fatal(err)
		}
		files := a.files()
		slices.Sort(rows)
		slices.Sort(files)
		if lossy {
			t.Logf("%s: %d rows, %d files", when, len(rows), len(files))
			files = slices.DeleteFunc(files, func(f string) bool { return !slices.Contains(rows, f) })
		}
		if !slices.Equal(rows, files) {
			t.Errorf("%s the rows name %v, and there are %v", when, rows, files)
		}
	}
	check("afterwards")
	how := map[string]int{}
	for id, path := range uploads {
		got := one.do("DELETE", path, "uploadId="+id, "")
		if _, over := ended[id]; !lossy && over != (got.status == 404) {
			t.Errorf("an upload that was %q is answered %d", ended[id], got.status)
		}
		how[ended[id]]++
	}
	t.Logf("%d uploads: %v", len(uploads), how)
	check("without uploads")
}
