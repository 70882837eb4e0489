package control

import (
	"net/http"

	"github.com/suparust/suparust/server/internal/httpx"
)

// runCron is POST /cron/{name}/run. A command that fails is told of in the
// answer, whose status is 200 all the same.
func (h *Handler) runCron(w http.ResponseWriter, r *http.Request) error {
	run, err := h.cfg.RunCron(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, run)
}
