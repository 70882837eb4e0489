package control

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
)

// keptRecords is how many of the last requests are kept.
const keptRecords = 50

// Recent keeps the last requests to the APIs. Its zero value has none; it is
// safe for concurrent use.
type Recent struct {
	mu   sync.Mutex
	ring []gateway.Record
	next int // the oldest, once the ring is full
}

// Note keeps a request that has ended.
func (q *Recent) Note(r gateway.Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ring) < keptRecords {
		q.ring = append(q.ring, r)
		return
	}
	q.ring[q.next] = r
	q.next = (q.next + 1) % keptRecords
}

// List lists them, the newest first.
func (q *Recent) List() []gateway.Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := append(append([]gateway.Record{}, q.ring[q.next:]...), q.ring[:q.next]...)
	slices.Reverse(list)
	return list
}

// listRecords is GET /requests.
func (h *Handler) listRecords(w http.ResponseWriter, _ *http.Request) error {
	list := h.cfg.Recent.List()
	for i := range list {
		list[i].SQL = append([]string{}, list[i].SQL...)
	}
	return httpx.WriteJSON(w, http.StatusOK, map[string]any{"requests": list})
}

// Bounds of the log's end.
const (
	defaultLogLines = 20
	maxLogLines     = 2000
)

// databaseLog is GET /database/log?lines=: the end of PostgreSQL's log.
func (h *Handler) databaseLog(w http.ResponseWriter, r *http.Request) error {
	lines := defaultLogLines
	if asked := r.URL.Query().Get("lines"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 1 || n > maxLogLines {
			return fault{fmt.Sprintf("%q is no number of lines from 1 to %d", asked, maxLogLines)}
		}
		lines = n
	}
	log, err := h.cfg.DatabaseLog(lines)
	if err != nil {
		return refused(err)
	}
	return httpx.WriteJSON(w, http.StatusOK, map[string]string{"log": log})
}
