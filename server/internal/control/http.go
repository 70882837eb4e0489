package control

import (
	"context"
	"net/http"

	"github.com/suparust/suparust/server/internal/httpx"
)

// listAnswers is GET /http.
func (h *Handler) listAnswers(w http.ResponseWriter, _ *http.Request) error {
	type waiting struct {
		HTTPAnswer
		Met int `json:"met"`
	}
	o := h.cfg.HTTP
	o.mu.Lock()
	list := make([]waiting, len(o.answers))
	for i, a := range o.answers {
		list[i] = waiting{a.HTTPAnswer, a.met}
	}
	o.mu.Unlock()
	return httpx.WriteJSON(w, http.StatusOK, map[string]any{"answers": list})
}

// addAnswer is POST /http.
func (h *Handler) addAnswer(w http.ResponseWriter, r *http.Request) error {
	var a HTTPAnswer
	if err := readBody(w, r, &a, `{"url": "https://hooks.example.com/*", "status": 200, "body": {"ok": true}}`); err != nil {
		return err
	}
	if err := h.cfg.HTTP.Answer(a); err != nil {
		return err
	}
	return h.listAnswers(w, r)
}

// clearHTTP is DELETE /http.
func (h *Handler) clearHTTP(w http.ResponseWriter, _ *http.Request) error {
	h.cfg.HTTP.Clear()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listRequests is GET /http/requests?url=&method=&after=&wait=: the requests,
// newest first. With wait it answers when there is one, and with none when the
// time is over.
func (h *Handler) listRequests(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := HTTPFilter{Method: q.Get("method"), URL: q.Get("url"), After: q.Get("after")}
	found := h.cfg.HTTP.Requests(f)
	if q.Get("wait") != "" && len(found) == 0 {
		err := h.wait(r, func(ctx context.Context) (err error) {
			found, err = h.cfg.HTTP.Wait(ctx, f)
			return err
		})
		if err != nil {
			return err
		}
	}
	return httpx.WriteJSON(w, http.StatusOK, map[string]any{"requests": append([]HTTPRequest{}, found...)})
}
