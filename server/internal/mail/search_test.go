package mail

import (
	"testing"
	"time"
)

func TestSearch(t *testing.T) {
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	m := Message{
		From: Address{Name: "Acme Support", Address: "noreply@acme.test"}, Recipients: []Address{{Name: "Ann Doe", Address: "Ann+x@example.com"}},
		Cc: []Address{{Address: "cc@example.com"}}, Bcc: []Address{{Address: "bcc@example.com"}}, ReplyTo: []Address{{Address: "help@acme.test"}},
		Subject: "Confirm Your Signup", HTML: "<p>Hello <b>big</b> world, click</p>", Created: at, MessageID: "id-1@acme.test",
		Tags: []string{"Recovery"}, Attachments: []Attachment{{FileName: "bill.pdf"}}, Raw: make([]byte, 3<<10),
	}
	for query, want := range map[string]bool{
		"to:ann+x@example.com": true, "to:ANN": true, `to:"Ann Doe"`: true, "to:bob": false, "to:cc@example.com": false,
		"from:acme": true, `from:"acme support"`: true, "from:ann": false, "cc:cc@": true, "cc:ann": false, "bcc:bcc": true, "reply-to:help": true,
		"addressed:help@": true, "addressed:bcc": true, "addressed:zed": false,
		"subject:confirm": true, `subject:"your signup"`: true, `subject:"signup your"`: false, `"subject:your signup"`: true,
		"message-id:id-1": true, "message-id:id-2": false, "tag:recovery": true, "tag:recover": false,
		"is:unread": true, "is:read": false, "-is:read": true, "is:tagged": true, "has:attachment": true, "has:attachments": true, "has:inline": false,
		"hello": true, `"hello big world"`: true, "hello missing": false, "hello -missing": true, "hello !world": false, "bill.pdf": true,
		"before:2026-03-05": true, "before:2026-03-04": false, "after:2026-03-04": true, `after:"2026-03-04 13:00"`: false, "-after:2026-03-05": true,
		"after:2026-03-04T11:59:59Z": true, "after:1772625600": true, "after:soon": true,
		"larger:2k": true, "larger:3kb": false, "smaller:1.5m": true, "smaller:3072": false, "-larger:2kb": false,
		"to:": true, `""`: true, "-": false, "to:ann from:acme subject:confirm": true, "to:ann from:bob": false, "is:odd": false,
	} {
		if got := parseSearch(query, time.UTC)(&m); got != want {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	sms := Message{Kind: SMS, Recipients: []Address{{Address: "15550100"}}}
	if !parseSearch("to:+15550100", time.UTC)(&sms) {
		t.Error("a number with its plus sign is not found")
	}
	if berlin, err := time.LoadLocation("Europe/Berlin"); err != nil {
		t.Error(err)
	} else if parseSearch(`before:"2026-03-04 12:30"`, berlin)(&m) || !parseSearch(`before:"2026-03-04 13:30"`, berlin)(&m) {
		t.Error("times are not read in the zone")
	}
}

func FuzzSearch(f *testing.F) {
	for _, q := range []string{`to:"a b" -from:x !subject:y`, "larger:1e999", "before:9999999999999999999", `"""`, "is:", "to:\x00\xff"} {
		f.Add(q)
	}
	m := Message{Recipients: []Address{{Address: "a@b.c"}}, Subject: "x", Text: "y", Created: time.Now()}
	f.Fuzz(func(t *testing.T, query string) {
		test := parseSearch(query, time.UTC)
		if found := test(&m); test(&m) != found {
			t.Error("a search finds this time and that time not")
		}
		searchTerms(query)
	})
}
