package mail

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// What pages may do: ours load nothing from elsewhere and run one script of
// their own; a mail shows its pictures and styles, runs nothing and is of no
// origin, so that it cannot read the mailbox that it lies in.
const (
	pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; frame-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	mailPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; default-src 'none'; " +
		"img-src * data: blob:; media-src *; style-src * 'unsafe-inline'; font-src * data:; script-src 'none'; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'self'"
)

//go:embed page/*.html page/mailbox.js
var pageFiles embed.FS

var pages = template.Must(template.New("").ParseFS(pageFiles, "page/*.html"))

// row is a message in the page's list.
type row struct {
	summary
	SMS bool
}

func (h *Handler) index(w http.ResponseWriter, r *http.Request) {
	match, searched := query(r)
	const most = 200
	list := h.Box.Select(match)
	shown := list[:min(len(list), most)]
	rows := make([]row, len(shown))
	for i := range shown {
		rows[i] = row{summarize(&shown[i]), shown[i].Kind == SMS}
	}
	h.render(w, "list.html", map[string]any{
		"Rows": rows, "Found": len(list), "Query": r.URL.Query().Get("query"), "Searched": searched, "Newest": newest(h.Box),
	})
}

// newest tells the page's script when to load the list anew.
func newest(b *Box) string {
	m, ok := b.Peek("latest")
	if !ok {
		return ""
	}
	return m.ID
}

func (h *Handler) render(w http.ResponseWriter, name string, data any) {
	var b strings.Builder
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, b.String()) // to a client that may have gone
}

func (h *Handler) script(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pageFiles, "page/mailbox.js")
}

// view shows a message: /view/{id} in the mailbox's page, /view/{id}.html and
// .txt its body alone.
func (h *Handler) view(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/view/")
	id, isHTML := strings.CutSuffix(path, ".html")
	id, isText := strings.CutSuffix(id, ".txt")
	m, ok := h.pick(r, id)
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "Message not found")
		return
	}
	h.Box.SetRead(true, func(x *Message) bool { return x.ID == m.ID })
	switch {
	case isHTML && m.HTML == "":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "This message does not contain a HTML part")
	case isHTML:
		w.Header().Set("Content-Security-Policy", mailPolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Query().Get("embed") == "1" { // links leave the frame
			_, _ = io.WriteString(w, `<base target="_blank">`)
		}
		_, _ = io.WriteString(w, linkInline(&m)) // to a client that may have gone
	case isText:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, m.Text) // to a client that may have gone
	case path == "latest":
		http.Redirect(w, r, "/view/"+m.ID, http.StatusFound)
	default:
		h.render(w, "message.html", map[string]any{"Message": m, "SMS": m.Kind == SMS, "Everyone": m.everyone()})
	}
}

var inlineLink = regexp.MustCompile(`(?i)(=\s*["']?)cid:([^"'\s>]+)`)

// linkInline makes the pictures that a mail brings along appear.
func linkInline(m *Message) string {
	return inlineLink.ReplaceAllStringFunc(m.HTML, func(found string) string {
		part := inlineLink.FindStringSubmatch(found)
		for _, list := range [][]Attachment{m.Inline, m.Attachments} {
			for _, a := range list {
				if a.ContentID != "" && a.ContentID == part[2] {
					return part[1] + "/api/v1/message/" + m.ID + "/part/" + a.PartID
				}
			}
		}
		return found
	})
}
