package mail

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The API of Inbucket, the mailbox of local stacks before Mailpit: a mailbox is
// named by the part of an address before the @, and lists its oldest first.

// mailboxName is the mailbox of an address.
func mailboxName(address string) string {
	local, _, _ := strings.Cut(address, "@")
	local, _, _ = strings.Cut(local, "+")
	if local == "" { // a number with its plus sign
		local = strings.TrimPrefix(address, "+")
	}
	return strings.ToLower(local)
}

// inMailbox reports whether somebody of that mailbox was sent the message.
func (m *Message) inMailbox(name string) bool {
	return mailboxName(m.To) == name || slices.ContainsFunc(m.everyone(), func(a Address) bool { return mailboxName(a.Address) == name })
}

type inbucketHeader struct {
	Mailbox     string    `json:"mailbox"`
	ID          string    `json:"id"`
	From        string    `json:"from"`
	To          []string  `json:"to"`
	Subject     string    `json:"subject"`
	Date        time.Time `json:"date"`
	PosixMillis int64     `json:"posix-millis"`
	Size        int       `json:"size"`
	Seen        bool      `json:"seen"`
}

func inbucketHead(name string, m *Message) inbucketHeader {
	to := []string{}
	for _, a := range m.Recipients {
		to = append(to, inbucketAddress(a))
	}
	return inbucketHeader{
		Mailbox: name, ID: m.ID, From: inbucketAddress(m.From), To: to, Subject: m.Subject,
		Date: m.Created, PosixMillis: m.Created.UnixMilli(), Size: len(m.Raw), Seen: m.Read,
	}
}

func inbucketAddress(a Address) string {
	switch {
	case a.Address == "":
		return a.Name
	case a.Name == "":
		return "<" + a.Address + ">"
	}
	return a.Name + " <" + a.Address + ">"
}

func inbucketJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Expires", "-1")
	_ = json.NewEncoder(w).Encode(v) // to a client that may have gone
}

// mailbox are the messages of the path's mailbox, oldest first.
func (h *Handler) mailbox(r *http.Request) (name string, list []Message) {
	name = mailboxName(r.PathValue("name"))
	list = h.found(r, func(m *Message) bool { return m.inMailbox(name) })
	slices.Reverse(list)
	return name, list
}

// inbucketPick is the message of the path; without one it answers.
func (h *Handler) inbucketPick(w http.ResponseWriter, r *http.Request) (name string, m Message, ok bool) {
	name, list := h.mailbox(r)
	id := r.PathValue("id")
	for _, m := range slices.Backward(list) {
		if id == "latest" || m.ID == id {
			return name, m, true
		}
	}
	http.NotFound(w, r)
	return name, Message{}, false
}

func (h *Handler) inbucketList(w http.ResponseWriter, r *http.Request) {
	name, list := h.mailbox(r)
	heads := make([]inbucketHeader, len(list))
	for i := range list {
		heads[i] = inbucketHead(name, &list[i])
	}
	inbucketJSON(w, heads)
}

func (h *Handler) inbucketPurge(w http.ResponseWriter, r *http.Request) {
	name := mailboxName(r.PathValue("name"))
	h.Box.DeleteSelect(func(m *Message) bool { return m.inMailbox(name) })
	inbucketJSON(w, "OK")
}

type inbucketBody struct {
	Text string `json:"text"`
	HTML string `json:"html"`
}

type inbucketAttachment struct {
	FileName     string `json:"filename"`
	ContentType  string `json:"content-type"`
	DownloadLink string `json:"download-link"`
	ViewLink     string `json:"view-link"`
	MD5          string `json:"md5"`
}

func (h *Handler) inbucketShow(w http.ResponseWriter, r *http.Request) {
	name, m, ok := h.inbucketPick(w, r)
	if !ok {
		return
	}
	header, err := m.fields()
	if err != nil {
		header = nil
	}
	attachments := []inbucketAttachment{}
	for _, a := range m.Attachments {
		link := "http://" + r.Host + "/api/v1/message/" + m.ID + "/part/" + a.PartID
		attachments = append(attachments, inbucketAttachment{a.FileName, a.ContentType, link, link, a.Checksums.MD5})
	}
	inbucketJSON(w, struct {
		inbucketHeader
		Body        inbucketBody         `json:"body"`
		Header      map[string][]string  `json:"header"`
		Attachments []inbucketAttachment `json:"attachments"`
	}{inbucketHead(name, &m), inbucketBody{m.Text, m.HTML}, header, attachments})
}

func (h *Handler) inbucketSeen(w http.ResponseWriter, r *http.Request) {
	var p struct {
		Seen bool `json:"seen"`
	}
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, "failed to decode JSON: "+err.Error(), http.StatusInternalServerError)
		return
	}
	_, m, ok := h.inbucketPick(w, r)
	if !ok {
		return
	}
	if p.Seen {
		h.Box.SetRead(true, func(x *Message) bool { return x.ID == m.ID })
	}
	inbucketJSON(w, "OK")
}

func (h *Handler) inbucketDelete(w http.ResponseWriter, r *http.Request) {
	_, m, ok := h.inbucketPick(w, r)
	if !ok {
		return
	}
	h.Box.Delete(m.ID)
	inbucketJSON(w, "OK")
}

func (h *Handler) inbucketSource(w http.ResponseWriter, r *http.Request) {
	_, m, ok := h.inbucketPick(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write(m.Raw) // to a client that may have gone
}
