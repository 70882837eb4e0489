package auth

import (
	_ "embed"
	"time"
)

// refreshable refuses the refresh of a session that has ended, or that a newer
// one of its user has replaced. tokenTime is the time of the refresh token in
// hand, zero where it has none.
func (w *work) refreshable(s *Session, u *User, tokenTime time.Time) error {
	cfg := w.h.cfg.Sessions
	if err := s.expired(cfg, u, w.now, tokenTime); err != nil {
		return err
	}
	if !cfg.SinglePerUser {
		return nil
	}
	return w.refuseOlderSession(s, u, tokenTime)
}

//go:embed queries/newer_session.sql
var newerSessionSQL string

// refuseOlderSession refuses a session of a user who has refreshed, or opened,
// a newer one of the same tag that has not ended itself.
func (w *work) refuseOlderSession(s *Session, u *User, tokenTime time.Time) error {
	cfg := w.h.cfg.Sessions
	since := func(limit time.Duration, counts bool) *time.Time {
		if limit <= 0 || !counts {
			return nil
		}
		t := w.now.Add(-limit)
		return &t
	}
	tags := cfg.Tags
	if tags == nil {
		tags = []string{}
	}
	var newer bool
	err := w.QueryRow(w.ctx, newerSessionSQL, s.UserID, s.ID, s.lastRefreshed(tokenTime), w.now,
		since(cfg.Timebox, true), since(cfg.InactivityTimeout, true), since(cfg.AllowLowAAL, u.hasMFA()),
		tags, cfg.tagOf(""), cfg.tagOf(s.tag)).Scan(&newer)
	switch {
	case err != nil:
		return err
	case newer:
		return badRequest(codeSessionExpired, "Invalid Refresh Token: Session Expired (Revoked by Newer Login)")
	}
	return nil
}
