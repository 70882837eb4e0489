package rest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/suparust/suparust/server/internal/gateway"
)

// traceBack repeats the request's header of this name in the answer.
func traceBack(w http.ResponseWriter, r *http.Request, name string) {
	if name == "" {
		return
	}
	if values := r.Header[name]; len(values) > 0 {
		w.Header()[name] = values
	}
}

// negotiated are the headers of a request that an answer depends on.
var (
	negotiated       = []string{"Accept, Prefer, Range"}
	negotiatedOrigin = []string{"Origin", negotiated[0]}
)

// writeVary tells caches what the answer depends on, where the database's
// functions have not said so themselves. What stands in head already stays.
func writeVary(head http.Header, before, own []string) {
	switch {
	case own == nil && before == nil:
		head["Vary"] = negotiated
	case own == nil && len(before) == 1 && before[0] == "Origin":
		head["Vary"] = negotiatedOrigin
	case own == nil:
		head["Vary"] = append(before[:len(before):len(before)], negotiated...)
	case before != nil:
		head["Vary"] = append(before[:len(before):len(before)], own...)
	}
}

// The phases that Server-Timing tells of.
const (
	phaseJWT = iota
	phaseParse
	phasePlan
	phaseTransaction
	phaseResponse
	phases
)

// stopwatch measures the phases of a request. One that is nil does nothing.
type stopwatch struct {
	last  time.Time
	spent [phases]time.Duration
}

// startClock measures a request when that is wanted. What the gateway has
// spent on the token counts.
func startClock(r *http.Request, c *config) *stopwatch {
	if !c.timing {
		return nil
	}
	s := &stopwatch{last: time.Now()}
	s.spent[phaseJWT] = gateway.CredentialsFrom(r.Context()).Took
	return s
}

// lap ends a phase.
func (s *stopwatch) lap(phase int) {
	if s == nil {
		return
	}
	now := time.Now()
	s.spent[phase] += now.Sub(s.last)
	s.last = now
}

// told puts the times into an answer.
func (s *stopwatch) told(a *answer, err error) (*answer, error) {
	if s == nil || err != nil {
		return a, err
	}
	s.lap(phaseResponse)
	ms := func(phase int) float64 { return float64(s.spent[phase]) / float64(time.Millisecond) }
	a.header.Set("Server-Timing", fmt.Sprintf("jwt;dur=%.1f, parse;dur=%.1f, plan;dur=%.1f, transaction;dur=%.1f, response;dur=%.1f",
		ms(phaseJWT), ms(phaseParse), ms(phasePlan), ms(phaseTransaction), ms(phaseResponse)))
	return a, nil
}

// Origins are the origins whose pages may read answers, none for all.
func (h *Handler) Origins(r *http.Request) []string {
	if s, err := h.cache.Get(r.Context()); err == nil {
		return h.config(s).origins
	}
	return h.options.Load().CORSOrigins
}
