package mail_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/mail"
)

func TestBoxKeepsTheNewest(t *testing.T) {
	b := mail.NewBox(2)
	for _, to := range []string{"a@x.y", "b@x.y", "c@x.y"} {
		b.Deliver(mail.Message{To: to})
	}
	got := b.List(mail.Filter{})
	if len(got) != 2 || got[0].To != "c@x.y" || got[1].To != "b@x.y" {
		t.Errorf("got %+v, want c and b, newest first", got)
	}
	if l, ok := b.Get("latest"); !ok || l.To != "c@x.y" || !l.Read {
		t.Errorf("latest is %+v", l)
	}
	b.Delete(got[0].ID)
	if got := b.List(mail.Filter{}); len(got) != 1 || got[0].To != "b@x.y" {
		t.Errorf("after deleting c: %+v", got)
	}
	b.Delete()
	if got := b.List(mail.Filter{}); len(got) != 0 {
		t.Errorf("after deleting all: %+v", got)
	}
}

func TestBoxFiltersByRecipientAndTag(t *testing.T) {
	b := mail.NewBox(0)
	b.Deliver(mail.Message{To: "A@x.y", Tags: []string{"recovery"}})
	b.Deliver(mail.Message{To: "b@x.y", Tags: []string{"invite"}})
	if got := b.List(mail.Filter{To: "a@X.y"}); len(got) != 1 || got[0].To != "A@x.y" {
		t.Errorf("by recipient: %+v", got)
	}
	if got := b.List(mail.Filter{Tag: "invite"}); len(got) != 1 || got[0].To != "b@x.y" {
		t.Errorf("by tag: %+v", got)
	}
	if got := b.List(mail.Filter{To: "b@x.y", Tag: "recovery"}); len(got) != 0 {
		t.Errorf("by both: %+v", got)
	}
}

func TestWaitReturnsWithTheMessage(t *testing.T) {
	b := mail.NewBox(0)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	go func() {
		b.Deliver(mail.Message{To: "other@x.y"})
		b.Deliver(mail.Message{To: "me@x.y", Subject: "hello"})
	}()
	got, err := b.Wait(ctx, mail.Filter{To: "me@x.y"})
	if err != nil || len(got) != 1 || got[0].Subject != "hello" {
		t.Errorf("got %+v, %v", got, err)
	}
	cancel()
	if _, err := b.Wait(ctx, mail.Filter{To: "nobody@x.y"}); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting in an ended context: %v", err)
	}
}

// TestBoxIsBoundInBytes: large messages push old ones out before there are
// many, and one that is too large alone is still there to be read.
func TestBoxIsBoundInBytes(t *testing.T) {
	b := mail.NewSmallBox(100 << 10)
	for i := range 100 {
		b.Deliver(mail.Message{To: "a@b.c", Subject: fmt.Sprint(i), Text: strings.Repeat("x", 10<<10)})
	}
	got := b.List(mail.Filter{})
	if s := b.Stats(); s.Bytes > 100<<10 || len(got) < 2 || len(got) > 5 || got[0].Subject != "99" || s.Total != len(got) {
		t.Errorf("%d messages, %+v", len(got), s)
	}
	b.Deliver(mail.Message{To: "a@b.c", Subject: "large", Text: strings.Repeat("x", 200<<10)})
	if got := b.List(mail.Filter{}); len(got) != 1 || got[0].Subject != "large" {
		t.Errorf("%d messages", len(got))
	}
	b.Delete()
	if s := b.Stats(); s.Bytes != 0 || s.Total != 0 {
		t.Errorf("after deleting all: %+v", s)
	}
}
