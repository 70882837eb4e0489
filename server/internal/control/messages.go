package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/mail"
)

// maxWait bounds how long a request may wait for a message.
const maxWait = time.Minute

// message is a mail or a text message as it is answered.
type message struct {
	ID        string    `json:"id"`
	Kind      mail.Kind `json:"kind"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Subject   string    `json:"subject"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
	Tags      []string  `json:"tags"`
	Created   time.Time `json:"created"`
	Code      string    `json:"code"`
	Link      string    `json:"link"`
	TokenHash string    `json:"token_hash"`
}

// messages is GET /mail?to=&wait=: the messages, newest first. With wait it
// answers when there is one, and with none when the time is over.
func (h *Handler) messages(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	to := q.Get("to")
	if !strings.Contains(to, "@") {
		to = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(to), "+"), " ", "")
	}
	match := func(m *mail.Message) bool { return to == "" || m.IsTo(to) }
	found := h.cfg.Mail.Select(match)
	if wait := q.Get("wait"); wait != "" && len(found) == 0 {
		d, err := time.ParseDuration(wait)
		if err != nil || d < 0 {
			return fault{fmt.Sprintf("%q is no duration such as 5s", wait)}
		}
		ctx, cancel := context.WithTimeout(r.Context(), min(d, maxWait))
		defer cancel()
		if found, err = h.cfg.Mail.WaitSelect(ctx, match); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	list := make([]message, len(found))
	for i, m := range found {
		list[i] = message{ID: m.ID, Kind: m.Kind, From: m.From.Address, To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML,
			Tags: append([]string{}, m.Tags...), Created: m.Created.UTC(), Code: m.Code, Link: m.Link, TokenHash: m.TokenHash}
	}
	return httpx.WriteJSON(w, http.StatusOK, map[string]any{"messages": list})
}

// clearMail is DELETE /mail.
func (h *Handler) clearMail(w http.ResponseWriter, _ *http.Request) error {
	h.cfg.Mail.Delete()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
