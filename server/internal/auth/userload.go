package auth

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// userSelect is the column list of a user; callers add FROM and WHERE.
//
//go:embed queries/user.sql
var userSelect string

// The users that sign-in sees: those of the default instance, which is also
// what a seed that forgot the column means.
const (
	nilUUID     = "00000000-0000-0000-0000-000000000000"
	ofInstance  = `(u.instance_id = '` + nilUUID + `' or u.instance_id is null)`
	ofAudience  = `(u.aud = $2 or u.aud is null)`
	whereID     = "\nfrom auth.users u where u.id = $1 and " + ofInstance
	whereEmail  = "\nfrom auth.users u where lower(u.email) = $1 and " + ofAudience + " and not u.is_sso_user and " + ofInstance
	wherePhone  = "\nfrom auth.users u where u.phone = $1 and " + ofAudience + " and not u.is_sso_user and " + ofInstance
	wherePhone2 = "\nfrom auth.users u where u.phone_change = $1 and " + ofAudience + " and not u.is_sso_user and " + ofInstance
)

// querier is a transaction or a plain connection.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// scanUser reads a row of userSelect; extra are the columns behind it.
func (h *Handler) scanUser(row pgx.Row, extra ...any) (*User, error) {
	u := &User{}
	var role *string
	var identities, factors []byte
	to := []any{
		&u.ID, &u.Aud, &role, &u.Email, &u.Phone, &u.PasswordHash, &u.IsSSO, &u.IsAnonymous,
		&u.EmailConfirmedAt, &u.PhoneConfirmedAt, &u.ConfirmedAt, &u.InvitedAt, &u.LastSignInAt,
		&u.CreatedAt, &u.UpdatedAt, &u.BannedUntil, &u.DeletedAt,
		&u.ConfirmationToken, &u.ConfirmationSent, &u.RecoveryToken, &u.RecoverySent,
		&u.EmailChange, &u.EmailChangeTokenNew, &u.EmailChangeTokenCurrent, &u.EmailChangeStatus, &u.EmailChangeSent,
		&u.PhoneChange, &u.PhoneChangeToken, &u.PhoneChangeSent, &u.ReauthenticationToken, &u.Reauthenticated,
		(*[]byte)(&u.AppMetadata), (*[]byte)(&u.UserMetadata), &identities, &factors,
	}
	if err := row.Scan(append(to, extra...)...); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(identities, &u.Identities); err != nil {
		return nil, fmt.Errorf("identities of user %s: %w", u.ID, err)
	}
	for i := range u.Identities {
		if string(u.Identities[i].Data) == "{}" {
			u.Identities[i].Data = nil
		}
	}
	if err := u.readFactors(factors); err != nil {
		return nil, err
	}
	u.inUTC()
	if u.Aud == "" {
		u.Aud = h.cfg.Audience
	}
	if u.Role = h.cfg.DefaultRole; role != nil {
		u.Role = *role
	}
	return u, nil
}

// readFactors reads the column of factors: most users have none.
func (u *User) readFactors(column []byte) error {
	if string(column) == "[]" {
		return nil
	}
	var withSecret []struct {
		Factor
		Secret *string `json:"secret"`
	}
	if err := json.Unmarshal(column, &withSecret); err != nil {
		return fmt.Errorf("factors of user %s: %w", u.ID, err)
	}
	for _, f := range withSecret {
		if f.Secret != nil {
			f.Factor.Secret = *f.Secret
		}
		u.Factors = append(u.Factors, f.Factor)
	}
	return nil
}

// inUTC brings every time into UTC, which is how clients see them.
func (u *User) inUTC() {
	times := []*time.Time{
		&u.CreatedAt, &u.UpdatedAt, u.EmailConfirmedAt, u.PhoneConfirmedAt, u.ConfirmedAt, u.InvitedAt, u.LastSignInAt,
		u.BannedUntil, u.DeletedAt, u.ConfirmationSent, u.RecoverySent, u.EmailChangeSent, u.PhoneChangeSent, u.Reauthenticated,
	}
	for i := range u.Identities {
		times = append(times, u.Identities[i].LastSignInAt, u.Identities[i].CreatedAt, u.Identities[i].UpdatedAt)
	}
	for i := range u.Factors {
		times = append(times, &u.Factors[i].CreatedAt, &u.Factors[i].UpdatedAt, u.Factors[i].LastChallengedAt)
	}
	for _, t := range times {
		if t != nil {
			*t = t.UTC()
		}
	}
}

// findUser runs userSelect with one of the where clauses. No such user is a
// nil user without an error.
func (h *Handler) findUser(ctx context.Context, q querier, where string, args ...any) (*User, error) {
	u, err := h.scanUser(q.QueryRow(ctx, userSelect+where, args...))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return u, err
}

func (h *Handler) userByID(ctx context.Context, q querier, id string) (*User, error) {
	return h.findUser(ctx, q, whereID, id)
}

func (h *Handler) userByEmail(ctx context.Context, q querier, email, aud string) (*User, error) {
	return h.findUser(ctx, q, whereEmail, strings.ToLower(email), aud)
}

func (h *Handler) userByPhone(ctx context.Context, q querier, phone, aud string) (*User, error) {
	return h.findUser(ctx, q, wherePhone, phone, aud)
}

// emailOwner finds the user who has the address, as user or in an identity
// that is not one of single sign-on. The user except is left out.
//
//go:embed queries/email_owner.sql
var emailOwnerWhere string

func (h *Handler) emailOwner(ctx context.Context, q querier, email, aud, except string) (*User, error) {
	if except == "" {
		except = nilUUID
	}
	return h.findUser(ctx, q, "\n"+emailOwnerWhere, strings.ToLower(email), aud, except)
}

// withConn runs fn on a connection outside a transaction: for a single
// statement that is its own.
func (h *Handler) withConn(ctx context.Context, fn func(q querier) error) error {
	return h.db.With(ctx, func(c *pgx.Conn) error { return fn(c) })
}
