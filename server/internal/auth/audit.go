package auth

import (
	_ "embed"
	"encoding/json"
	"log/slog"
	"time"
)

// auditEntry is a row of auth.audit_log_entries.
type auditEntry struct {
	ID        string    `json:"id"`
	Payload   audit     `json:"payload"`
	CreatedAt time.Time `json:"created_at"`
	IP        string    `json:"ip"`
}

type audit struct {
	Action   string          `json:"action"`
	ActorID  string          `json:"actor_id"`
	Name     json.RawMessage `json:"actor_name,omitempty"` // full_name of the user's metadata, whatever it is
	Username string          `json:"actor_username"`
	ViaSSO   bool            `json:"actor_via_sso"`
	LogType  string          `json:"log_type"`
	Traits   map[string]any  `json:"traits,omitempty"`
}

// Actions of the audit log and the group each belongs to.
const (
	auditLogin          = "login"
	auditLogout         = "logout"
	auditSignedUp       = "user_signedup"
	auditInvited        = "user_invited"
	auditDeleted        = "user_deleted"
	auditModified       = "user_modified"
	auditRecovery       = "user_recovery_requested"
	auditReauthenticate = "user_reauthenticate_requested"
	auditConfirmation   = "user_confirmation_requested"
	auditRepeatedSignup = "user_repeated_signup"
	auditPassword       = "user_updated_password"
	auditRevoked        = "token_revoked"
	auditRefreshed      = "token_refreshed"
	auditFactorEnroll   = "factor_in_progress"
	auditFactorUnenroll = "factor_unenrolled"
	auditFactorDeleted  = "factor_deleted"
	auditFactorUpdated  = "factor_updated"
	auditChallenge      = "challenge_created"
	auditVerification   = "verification_attempted"
	auditLinked         = "identity_linked"
	auditUnlinked       = "identity_unlinked"
	auditInviteAccepted = "invite_accepted"
)

func logType(action string) string {
	switch action {
	case auditLogin, auditLogout, auditInviteAccepted:
		return "account"
	case auditSignedUp, auditInvited, auditDeleted:
		return "team"
	case auditRevoked, auditRefreshed:
		return "token"
	case auditFactorEnroll, auditFactorUnenroll, auditFactorDeleted, auditFactorUpdated, auditChallenge, auditVerification:
		return "factor"
	}
	return "user"
}

// audit notes that actor did action; the entries are written with the work.
func (w *work) audit(actor *User, action string, traits map[string]any) {
	a := audit{Action: action, ActorID: actor.ID, Username: actor.Email, ViaSSO: actor.IsSSO, LogType: logType(action), Traits: traits}
	if actor.Phone != "" {
		a.Username = actor.Phone
	}
	var meta map[string]json.RawMessage
	if json.Unmarshal(actor.UserMetadata, &meta) == nil {
		a.Name = meta["full_name"]
	}
	e := auditEntry{ID: newID(), Payload: a, CreatedAt: w.now}
	if a.LogType == "factor" && action != auditFactorUpdated || action == auditLinked || action == auditUnlinked {
		e.IP = clientIP(w.r)
	}
	w.audits = append(w.audits, e)
}

// auditAdmin notes an action of the caller of an admin endpoint on user.
func (w *work) auditAdmin(action string, user *User, traits map[string]any) {
	all := map[string]any{"user_id": user.ID, "user_email": user.Email}
	if action != auditInvited { // which is by address alone
		all["user_phone"] = user.Phone
	}
	for k, v := range traits {
		all[k] = v
	}
	w.audit(adminActor(w.r), action, all)
}

//go:embed queries/insert_audits.sql
var insertAuditsSQL string

// writeAudits writes the entries noted so far.
func (w *work) writeAudits() error {
	if len(w.audits) == 0 {
		return nil
	}
	if w.h.cfg.NoAuditTable {
		for _, e := range w.audits {
			w.h.log.LogAttrs(w.ctx, slog.LevelInfo, "audit", slog.String("action", e.Payload.Action), slog.String("log_type", e.Payload.LogType),
				slog.String("actor_id", e.Payload.ActorID), slog.String("ip_address", e.IP))
		}
		w.audits = nil
		return nil
	}
	entries := string(mustJSON(w.audits))
	w.audits = nil
	return w.later("Error recording audit log entry", insertAuditsSQL, entries)
}
