package s3

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// TestPartsEndOnce: two servers end the same upload in parts; what one of them
// is late with does not come back, and leaves nothing in the bucket.
//
//covers:storage 66 82 86
func TestPartsEndOnce(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	way := newSlowWay(t)
	slow := way.over(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	quick := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, slow, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)
	protocol := func(srv *suparusttest.Server) *s3.Client {
		return client(srv.URL+"/storage/v1/s3", server.DemoS3AccessKeyID, server.DemoS3SecretAccessKey, "")
	}
	one, two := protocol(slow), protocol(quick)
	b, k, ctx := aws.String("b"), aws.String("k"), t.Context()
	part := func(c *s3.Client, id *string, number int32, content string) (types.CompletedPart, error) {
		res, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: k, UploadId: id, PartNumber: &number, Body: strings.NewReader(content)})
		if err != nil {
			return types.CompletedPart{}, err
		}
		return types.CompletedPart{PartNumber: &number, ETag: res.ETag}, nil
	}
	// begun is what completes an upload of n parts
	begun := func(t *testing.T, n int32) *s3.CompleteMultipartUploadInput {
		t.Helper()
		res, err := one.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: k})
		if err != nil {
			t.Fatal(err)
		}
		end := &s3.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: res.UploadId, MultipartUpload: &types.CompletedMultipartUpload{}}
		for i := range n {
			p, err := part(two, res.UploadId, i+1, "part")
			if err != nil {
				t.Fatal(err)
			}
			end.MultipartUpload.Parts = append(end.MultipartUpload.Parts, p)
		}
		return end
	}
	stores := func(r *http.Request) bool { return toObject("PUT")(r) || isCopy(r) }
	// late runs f while a request at the slow server has stored its bytes, and
	// returns what the client is told.
	late := func(request func() error, f func()) error {
		way.next(answersLate, stores)
		failed := make(chan error, 1)
		go func() { failed <- request() }()
		held := <-way.held
		f()
		held.let()
		return <-failed
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	isOver := func(t *testing.T, err error) {
		t.Helper()
		if code(err) != "NoSuchUpload" {
			t.Errorf("late: %v", err)
		}
		if !consistent(t, quick, name) {
			t.Errorf("rows and bytes are not the same: %v", keys(t, name, "files/objects/"))
		}
	}
	for n, what := range map[int32]string{1: "one part, which is copied", 2: "parts, which are joined"} {
		t.Run("completed twice, "+what, func(t *testing.T) {
			end := begun(t, n)
			err := late(func() error { _, err := one.CompleteMultipartUpload(ctx, end); return err }, func() {
				_, err := two.CompleteMultipartUpload(ctx, end)
				must(t, err)
				_, err = two.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: k})
				must(t, err)
			})
			isOver(t, err)
			if _, err := two.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: k}); code(err) != "NotFound" {
				t.Errorf("what was deleted is back: %v", err)
			}
		})
		t.Run("aborted, "+what, func(t *testing.T) {
			end := begun(t, n)
			err := late(func() error { _, err := one.CompleteMultipartUpload(ctx, end); return err }, func() {
				_, err := two.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: b, Key: k, UploadId: end.UploadId})
				must(t, err)
			})
			isOver(t, err)
		})
	}
	t.Run("a part while it is completed", func(t *testing.T) {
		end := begun(t, 2)
		err := late(func() error { _, err := part(one, end.UploadId, 3, "late"); return err }, func() {
			_, err := two.CompleteMultipartUpload(ctx, end)
			must(t, err)
		})
		isOver(t, err)
		res, err := one.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: k})
		must(t, err)
		if text, err := io.ReadAll(res.Body); err != nil || string(text) != "partpart" {
			t.Errorf("%q, %v", text, err)
		}
		must(t, res.Body.Close())
	})
	t.Run("a part while it is aborted", func(t *testing.T) {
		end := begun(t, 1)
		err := late(func() error { _, err := part(one, end.UploadId, 2, "late"); return err }, func() {
			_, err := two.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: b, Key: k, UploadId: end.UploadId})
			must(t, err)
		})
		isOver(t, err)
	})
}
