package storage_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

func BenchmarkUpload(b *testing.B) {
	a := start(b)
	a.bucket("b", true)
	for _, size := range []int64{1 << 10, 1 << 20, 100 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				a.do("PUT", "/object/b/k", a.service, io.LimitReader(zeros{}, size)).ok(b)
			}
		})
	}
}

func BenchmarkDownload(b *testing.B) {
	a := start(b)
	a.bucket("b", true)
	for _, size := range []int64{1 << 10, 1 << 20, 100 << 20} {
		a.do("PUT", "/object/b/k", a.service, io.LimitReader(zeros{}, size)).ok(b)
		for _, path := range []string{"/object/public/b/k", "/object/authenticated/b/k"} {
			b.Run(fmt.Sprintf("%s/%dKiB", path[len("/object/"):len("/object/")+6], size>>10), func(b *testing.B) {
				b.SetBytes(size)
				req, err := http.NewRequest(http.MethodGet, a.url+path, nil)
				if err != nil {
					b.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+a.service)
				for b.Loop() {
					res, err := http.DefaultClient.Do(req)
					if err != nil {
						b.Fatal(err)
					}
					n, err := io.Copy(io.Discard, res.Body)
					res.Body.Close()
					if n != size || err != nil {
						b.Fatal(n, err)
					}
				}
			})
		}
	}
}
