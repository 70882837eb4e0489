package control

import (
	"errors"
	"net/http"

	"github.com/suparust/suparust/server/internal/httpx"
)

// runCron is POST /cron/{name}/run. A command that fails is told of in the
// answer, whose status is 200 all the same.
func (h *Handler) runCron(w http.ResponseWriter, r *http.Request) error {
	run, err := h.cfg.RunCron(r.Context(), r.PathValue("name"))
	var none Refusal
	switch {
	case errors.As(err, &none):
		writeProblem(w, http.StatusNotFound, none.Message)
		return nil
	case err != nil:
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, run)
}
