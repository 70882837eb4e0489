package s3

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

//covers:storage 64 65 66 67 68
func TestProtocol(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithSQL(`create policy mine on storage.objects to authenticated
		using (owner_id = (select auth.uid()::text)) with check (owner_id = (select auth.uid()::text))`))
	endpoint := srv.URL + "/storage/v1/s3"
	c := client(endpoint, server.DemoS3AccessKeyID, server.DemoS3SecretAccessKey, "")
	ctx, b := t.Context(), aws.String("b")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b})
	must(err)
	_, err = c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: b})
	must(err)
	buckets, err := c.ListBuckets(ctx, nil)
	must(err)
	if len(buckets.Buckets) != 1 || *buckets.Buckets[0].Name != "b" {
		t.Errorf("%+v", buckets.Buckets)
	}
	_, err = c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: b})
	if code(err) != "BucketAlreadyExists" {
		t.Errorf("again: %v", err)
	}

	key := aws.String("dir/a key!$&'()*+,:;=@.txt")
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader("0123456789"), ContentType: aws.String("text/plain"),
		Metadata: map[string]string{"color": "red"}})
	must(err)
	// a stream that cannot be read twice comes in chunks with a trailer
	for _, alg := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
		types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256} {
		_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("sum/" + string(alg)), Body: strings.NewReader("summed"), ChecksumAlgorithm: alg})
		if err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	got, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key, Range: aws.String("bytes=2-4")})
	must(err)
	text, err := io.ReadAll(got.Body)
	must(err)
	if string(text) != "234" || got.Metadata["color"] != "red" || *got.ContentRange != "bytes 2-4/10" {
		t.Errorf("%q %+v", text, got)
	}
	_, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: aws.String("none")})
	if code(err) != "NotFound" {
		t.Errorf("head of none: %v", err)
	}
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("none")})
	if code(err) != "NoSuchKey" {
		t.Errorf("get of none: %v", err)
	}
	_, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String("copy"), CopySource: aws.String("b/sum/SHA1")})
	must(err)

	big := bytes.Repeat([]byte("0123456789"), 600_000)
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: aws.String("big")})
	must(err)
	var parts []types.CompletedPart
	for n, from := int32(1), 0; from < len(big); n, from = n+1, from+5<<20 {
		p, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: up.Key, UploadId: up.UploadId, PartNumber: &n, Body: bytes.NewReader(big[from:min(from+5<<20, len(big))])})
		must(err)
		parts = append(parts, types.CompletedPart{ETag: p.ETag, PartNumber: aws.Int32(n)})
	}
	listed, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: b, Key: up.Key, UploadId: up.UploadId})
	must(err)
	if len(listed.Parts) != len(parts) {
		t.Errorf("%d parts, want %d", len(listed.Parts), len(parts))
	}
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: up.Key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	must(err)
	whole, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: up.Key})
	must(err)
	if text, err = io.ReadAll(whole.Body); err != nil || !bytes.Equal(text, big) {
		t.Errorf("%d bytes, %v", len(text), err)
	}

	var names []string
	for pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: b, MaxKeys: aws.Int32(2), Delimiter: aws.String("/")}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		must(err)
		for _, o := range page.Contents {
			names = append(names, *o.Key)
		}
		for _, p := range page.CommonPrefixes {
			names = append(names, *p.Prefix)
		}
	}
	if got := strings.Join(names, " "); got != "big copy dir/ sum/" {
		t.Errorf("listed: %s", got)
	}

	signed, err := s3.NewPresignClient(c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key})
	must(err)
	res, err := http.Get(signed.URL)
	must(err)
	text, err = io.ReadAll(res.Body)
	must(errors.Join(err, res.Body.Close()))
	if string(text) != "0123456789" {
		t.Errorf("presigned: %s", text)
	}

	ann, ben := srv.CreateUser(t, "ann@example.com"), srv.CreateUser(t, "ben@example.com")
	ca := client(endpoint, "project-ref", srv.AnonKey, ann.AccessToken)
	cb := client(endpoint, "project-ref", srv.AnonKey, ben.AccessToken)
	_, err = ca.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("of-ann"), Body: strings.NewReader("hers")})
	must(err)
	_, err = ca.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("of-ann")})
	must(err)
	if _, err = cb.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("of-ann")}); code(err) != "NoSuchKey" {
		t.Errorf("another's object: %v", err)
	}

	all, err := c.ListObjects(ctx, &s3.ListObjectsInput{Bucket: b})
	must(err)
	var doomed []types.ObjectIdentifier
	for _, o := range all.Contents {
		doomed = append(doomed, types.ObjectIdentifier{Key: o.Key})
	}
	deleted, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: doomed}})
	must(err)
	if len(deleted.Deleted) != len(doomed) || len(deleted.Errors) != 0 {
		t.Errorf("%+v", deleted)
	}
	_, err = c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b})
	must(err)
}
