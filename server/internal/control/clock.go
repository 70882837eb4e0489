package control

import (
	"fmt"
	"net/http"
	"time"

	"github.com/suparust/suparust/server/internal/httpx"
)

// clock is GET /clock.
func (h *Handler) clock(w http.ResponseWriter, _ *http.Request) error {
	return httpx.WriteJSON(w, http.StatusOK, map[string]time.Time{"now": h.cfg.Clock.Now().UTC()})
}

// moveClock is POST /clock: {"advance": "1h30m"} or {"set": "2030-01-31T12:00:00Z"}.
func (h *Handler) moveClock(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		Advance string    `json:"advance"`
		Set     time.Time `json:"set"`
	}
	if err := readBody(w, r, &p, `{"advance": "1h30m"} or {"set": "2030-01-31T12:00:00Z"}`); err != nil {
		return err
	}
	var err error
	switch {
	case p.Advance != "" && p.Set.IsZero():
		d, wrong := time.ParseDuration(p.Advance)
		if wrong != nil {
			return fault{fmt.Sprintf("%q is no duration such as 90s or 1h30m", p.Advance)}
		}
		err = h.cfg.Clock.Advance(d)
	case p.Advance == "" && !p.Set.IsZero():
		err = h.cfg.Clock.Set(p.Set)
	default:
		return fault{"give either advance or set"}
	}
	if err != nil {
		return err
	}
	return h.clock(w, r)
}
