package control

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/mail"
)

// Message is a mail or a text message as it is answered.
type Message struct {
	ID        string    `json:"id"`
	Kind      mail.Kind `json:"kind"`
	From      string    `json:"from"`
	FromName  string    `json:"from_name"`
	To        string    `json:"to"`
	All       []Address `json:"recipients"`
	Subject   string    `json:"subject"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
	Tags      []string  `json:"tags"`
	Created   time.Time `json:"created"`
	Code      string    `json:"code"`
	Link      string    `json:"link"`
	TokenHash string    `json:"token_hash"`
}

// Address is one of the recipients, named in the message or not.
type Address struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

func answered(m *mail.Message) Message {
	all := []Address{}
	for _, list := range [][]mail.Address{m.Recipients, m.Cc, m.Bcc} {
		for _, a := range list {
			all = append(all, Address{a.Name, a.Address})
		}
	}
	return Message{ID: m.ID, Kind: m.Kind, From: m.From.Address, FromName: m.From.Name, To: m.To, All: all, Subject: m.Subject, Text: m.Text, HTML: m.HTML,
		Tags: append([]string{}, m.Tags...), Created: m.Created.UTC(), Code: m.Code, Link: m.Link, TokenHash: m.TokenHash}
}

// Mail is the message as the mailbox has it, without what is not answered: the
// raw form and attachments.
func (m *Message) Mail() mail.Message {
	x := mail.Message{ID: m.ID, Kind: m.Kind, From: mail.Address{Name: m.FromName, Address: m.From}, To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML,
		Tags: m.Tags, Created: m.Created, Code: m.Code, Link: m.Link, TokenHash: m.TokenHash}
	for _, a := range m.All {
		x.Recipients = append(x.Recipients, mail.Address{Name: a.Name, Address: a.Address})
	}
	return x
}

// messages is GET /mail?to=&tag=&after=&wait=: the messages, newest first. With
// wait it answers when there is one, and with none when the time is over.
func (h *Handler) messages(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	match := h.chosen(q)
	found := h.cfg.Mail.Select(match)
	if q.Get("wait") != "" && len(found) == 0 {
		err := h.wait(r, func(ctx context.Context) (err error) {
			found, err = h.cfg.Mail.WaitSelect(ctx, match)
			return err
		})
		if err != nil {
			return err
		}
	}
	list := make([]Message, len(found))
	for i := range found {
		list[i] = answered(&found[i])
	}
	return httpx.WriteJSON(w, http.StatusOK, map[string]any{"messages": list})
}

// chosen tells the messages that a request asks for.
func (h *Handler) chosen(q url.Values) func(*mail.Message) bool {
	to, tag := q.Get("to"), q.Get("tag")
	if !strings.Contains(to, "@") {
		to = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(to), "+"), " ", "")
	}
	known := map[string]bool{}
	if after := q.Get("after"); after != "" {
		all := h.cfg.Mail.Select(func(*mail.Message) bool { return true }) // newest first
		for _, m := range all[max(0, slices.IndexFunc(all, func(m mail.Message) bool { return m.ID == after })):] {
			known[m.ID] = true
		}
		if !known[after] { // it has gone: everything that is there came after it
			clear(known)
		}
	}
	f := mail.Filter{To: to, Tag: tag}
	return func(m *mail.Message) bool { return !known[m.ID] && f.Matches(m) }
}

// clearMail is DELETE /mail.
func (h *Handler) clearMail(w http.ResponseWriter, _ *http.Request) error {
	h.cfg.Mail.Delete()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
