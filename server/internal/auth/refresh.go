package auth

import (
	"context"
	_ "embed"
	"errors"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

const refreshPatience = 5 * time.Second

// refreshGates let the refreshes of one token in this process pass one after
// the other, so that the many that a browser's tabs send at once wait here and
// not on database connections. Other processes are kept apart by row locks.
type refreshGates struct {
	seed  maphash.Seed
	gates []chan struct{}
}

func newRefreshGates() refreshGates {
	g := refreshGates{seed: maphash.MakeSeed(), gates: make([]chan struct{}, 256)}
	for i := range g.gates {
		g.gates[i] = make(chan struct{}, 1)
	}
	return g
}

// enter waits for the gate of token; the returned function leaves it.
func (g refreshGates) enter(ctx context.Context, token string) (leave func(), err error) {
	gate := g.gates[maphash.String(g.seed, token)%uint64(len(g.gates))]
	select {
	case gate <- struct{}{}:
		return func() { <-gate }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// grantRefreshToken is POST /token?grant_type=refresh_token.
func (h *Handler) grantRefreshToken(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if !wellFormedRefreshToken(p.RefreshToken) {
		return invalid("Refresh token is not valid")
	}
	res, err := h.refreshInTurn(r, p.RefreshToken)
	if err != nil {
		return err
	}
	return writeToken(w, res)
}

// refreshInTurn tries the refresh until the rows it needs are free, for as
// long as its patience lasts.
func (h *Handler) refreshInTurn(r *http.Request, token string) (*TokenResponse, error) {
	ctx, cancel := context.WithTimeout(r.Context(), refreshPatience)
	defer cancel()
	tooMany := fail(http.StatusConflict, "conflict", "Too many concurrent token refresh requests on the same session or refresh token")
	gate := token
	if counter, ok := parseCounterToken(token); ok {
		gate = counter.session
	}
	leave, err := h.refreshes.enter(ctx, gate)
	if err != nil {
		return nil, orElse(r.Context().Err(), tooMany)
	}
	defer leave()
	for {
		var res *TokenResponse
		err := h.inTx(r, func(w *work) error {
			var err error
			res, err = w.refresh(token)
			return err
		})
		if !isState(err, stateLocked) {
			return res, err
		}
		pause := time.NewTimer(10*time.Millisecond + rand.N(20*time.Millisecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, orElse(r.Context().Err(), tooMany)
		}
	}
}

func orElse(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

//go:embed queries/refresh_lock.sql
var refreshLockWhere string

//go:embed queries/refresh_write.sql
var refreshWriteSQL string

// refresh decides on a refresh token and carries it out. The rows of the
// token, its session and its user are locked from the first statement on; a
// row that is locked elsewhere is the error stateLocked.
func (w *work) refresh(token string) (*TokenResponse, error) {
	if counter, ok := parseCounterToken(token); ok {
		return w.refreshCounter(counter)
	}
	var s Session
	var found, revoked bool
	var tokenID int64
	var tokenTime time.Time
	u, err := w.h.scanUser(w.QueryRow(w.ctx, userSelect+refreshLockWhere, token), append(s.columns(&found), &tokenID, &revoked, &tokenTime)...)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, badRequest("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
	case err != nil:
		return nil, err
	case u.banned(w.now):
		return nil, badRequest(codeUserBanned, "Invalid Refresh Token: User Banned")
	}
	s.UserID = u.ID
	cfg := w.h.cfg.Sessions
	if err := w.refreshable(&s, u, tokenTime); err != nil {
		return nil, err
	}
	issued := ""
	if revoked {
		active, parent, err := w.activeRefreshToken(s.ID)
		switch {
		case err != nil:
			return nil, err
		case active != "" && parent == token:
			issued = active // the client did not get, or not keep, the last answer
		case cfg.ReuseInterval < 0 || w.now.After(tokenTime.Add(cfg.ReuseInterval)):
			return nil, w.refuseReuse(s.ID)
		}
	}
	child := ""
	w.audit(u, auditRefreshed, nil)
	if issued == "" {
		child = newRefreshToken()
		issued = child
		w.audit(u, auditRevoked, nil)
	}
	c := clientOf(w.r)
	if err := w.later("failed to update session information", refreshWriteSQL,
		s.ID, u.ID, tokenID, child, w.now, c.UserAgent, c.IP, w.now); err != nil {
		return nil, err
	}
	if child != "" && cfg.upgrades(s.ID) {
		if issued, err = w.upgradeTokens(&s, child); err != nil {
			return nil, err
		}
	}
	u.UpdatedAt = w.now
	return w.tokenResponse(u, &s, issued, methodRefresh)
}

// activeRefreshToken is the session's newest token that is not used, and the
// token it came from. It is read after the locks are held.
func (w *work) activeRefreshToken(sessionID string) (token, parent string, err error) {
	err = w.QueryRow(w.ctx, `
		select token, coalesce(parent, '') from auth.refresh_tokens
		where session_id = $1 and revoked is false
		order by id desc limit 1`, sessionID).Scan(&token, &parent)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", "", nil
	}
	return token, parent, err
}

// refuseReuse answers the reuse of a token as the possible theft it is: every
// token of the session is revoked, and that stays although the request fails.
func (w *work) refuseReuse(sessionID string) error {
	refusal := badRequest("refresh_token_already_used", "Invalid Refresh Token: Already Used")
	if w.h.cfg.Sessions.KeepFamilyOnReuse {
		return refusal
	}
	if err := w.exec("Database error revoking refresh tokens", `
		update auth.refresh_tokens set revoked = true, updated_at = $2
		where session_id = $1 and revoked is not true`, sessionID, w.now); err != nil {
		return err
	}
	w.refusal = refusal
	return errKeep
}

// errKeep ends a flow early, keeping what it has written; see work.refusal.
var errKeep = errors.New("keep the work")
