package s3

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/suparusttest"
)

// TestResumableTurns: a request at one server makes room for one at another,
// and what both send does not mix.
//
//covers:storage 59 86
func TestResumableTurns(t *testing.T) {
	t.Parallel()
	name, database := bucket(t), external(t)
	one := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	two := suparusttest.Start(t, inBucket(name), suparusttest.WithDatabaseURL(database))
	ok(t, one, "POST", "/bucket", strings.NewReader(`{"name":"b"}`), "Content-Type", asJSON)

	// hold begins a request that stays until its body ends
	type answer struct {
		status int
		end    int64
	}
	hold := func(srv *suparusttest.Server, at string, begin string) (feed *io.PipeWriter, answered chan answer) {
		body, feed := io.Pipe()
		answered = make(chan answer, 1)
		go func() {
			status, end := patchFrom(t, srv, at, 0, body)
			answered <- answer{status, end}
		}()
		if _, err := feed.Write([]byte(begin)); err != nil {
			t.Fatal(err)
		}
		return feed, answered
	}
	admin, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	locked := func() (n int) {
		if err := admin.QueryRow(t.Context(), `select count(*) from pg_locks where locktype = 'advisory' and granted`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	at := create(t, one, "turns", 10)
	feed, answered := hold(one, at, "hello")
	eventually(t, "the first has the upload", func() bool { return locked() == 1 })
	begun := time.Now()
	if got := offsetOf(t, two, at); got != 5 {
		t.Errorf("offset %d", got)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the other server waited %v", took)
	}
	if a := <-answered; a.status != 204 || a.end != 5 {
		t.Errorf("the interrupted request: %+v", a)
	}
	_ = feed.Close()
	if status, _ := patch(t, two, at, 5, []byte("world")); status != 204 {
		t.Errorf("the rest: %d", status)
	}
	isWhole(t, one, name, "turns", []byte("helloworld"))

	// many requests for the same bytes: one of each round gets its way
	at = create(t, one, "race", 40)
	var want []byte
	for round := range 4 {
		answers := make(chan answer, 6)
		for i := range 6 {
			go func() {
				status, end := patch(t, []*suparusttest.Server{one, two}[i%2], at, int64(10*round), bytes.Repeat([]byte{byte('a' + i)}, 10))
				answers <- answer{status, end}
			}()
		}
		won := 0
		for range 6 {
			switch a := <-answers; a.status {
			case 204:
				won++
			case 409:
			default:
				t.Errorf("%+v", a)
			}
		}
		if won != 1 {
			t.Fatalf("%d requests got their way", won)
		}
		want = append(want, 0)
	}
	got := ok(t, one, "GET", "/object/b/race", nil)
	for round := range want {
		if part := got[10*round:][:10]; strings.Trim(part, part[:1]) != "" {
			t.Errorf("a mixture: %q", got)
		}
	}
	eventually(t, "no lock is left", func() bool { return locked() == 0 })

	// the database ends the connection that holds the lock
	at = create(t, one, "lost", 10)
	feed, answered = hold(one, at, "hello")
	eventually(t, "the first has the upload", func() bool { return locked() == 1 })
	if _, err := admin.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'`); err != nil {
		t.Fatal(err)
	}
	if a := <-answered; a.status != 503 {
		t.Errorf("a request that has lost its lock: %+v", a)
	}
	_ = feed.Close()
	offset := offsetOf(t, one, at)
	if status, _ := patch(t, two, at, offset, []byte("helloworld")[offset:]); status != 204 {
		t.Errorf("after the loss: %d", status)
	}
	isWhole(t, one, name, "lost", []byte("helloworld"))

	// another has changed the record, in spite of the lock
	at = create(t, one, "fenced", 10)
	feed, answered = hold(one, at, "hello")
	eventually(t, "the first has the upload", func() bool { return locked() == 1 })
	c := client(gateway, gatewayKey, gatewaySecret, "")
	for _, key := range keys(t, name, "files/uploads/") {
		if text := object(t, name, key); !strings.Contains(text, `"whole"`) {
			if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &name, Key: &key, Body: strings.NewReader(text + " ")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = feed.Close()
	if a := <-answered; a.status != 503 {
		t.Errorf("a request whose upload another has changed: %+v", a)
	}
	if got := offsetOf(t, two, at); got != 0 {
		t.Errorf("offset %d", got)
	}
}
