package auth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
)

// page is the part of a list that a client asked for.
type page struct {
	Number, Size uint64
	// Order is the direction, "asc" or "desc", of created_at.
	Order string
}

const (
	defaultPageSize = 50
	maxOffset       = 1 << 62
)

// parsePage reads page, per_page and sort. Empty parameters are absent ones.
func parsePage(q url.Values) (page, error) {
	p := page{Number: 1, Size: defaultPageSize, Order: "desc"}
	for _, n := range []struct {
		name string
		to   *uint64
	}{{"page", &p.Number}, {"per_page", &p.Size}} {
		s := q.Get(n.name)
		if s == "" {
			continue
		}
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return p, invalid("Bad Pagination Parameters: %v", err)
		}
		*n.to = v
	}
	if p.Size == 0 {
		p.Size = defaultPageSize
	}
	for _, s := range q["sort"] {
		field, dir, directed := strings.Cut(s, " ")
		switch {
		case s == "":
			continue
		case field != "created_at":
			return p, invalid("Bad Sort Parameters: bad field for sort '%s'", field)
		case !directed || strings.EqualFold(dir, "desc"):
			p.Order = "desc"
		case strings.EqualFold(dir, "asc"):
			p.Order = "asc"
		default:
			return p, invalid("Bad Sort Parameters: bad direction for sort '%s', only 'asc' and 'desc' allowed", dir)
		}
	}
	return p, nil
}

// limits are the row numbers of the page, bounded so that they fit.
func (p page) limits() (limit, offset int64) {
	limit = int64(min(p.Size, maxOffset))
	before := max(p.Number, 1) - 1
	if before > 0 && uint64(limit) > maxOffset/before {
		return limit, maxOffset
	}
	return limit, int64(before) * limit
}

// writeHeaders tells how many rows there are and where the next pages are.
// Clients read one digit after the first = of each link, so page comes first.
func (p page) writeHeaders(w http.ResponseWriter, r *http.Request, total uint64) {
	pages := total / p.Size
	if total%p.Size > 0 {
		pages++
	}
	link := func(n uint64, rel string) string {
		q := r.URL.Query()
		q.Set("page", strconv.FormatUint(n, 10))
		return fmt.Sprintf("<%s?%s>; rel=%q", r.URL.EscapedPath(), q.Encode(), rel)
	}
	var links []string
	if pages > p.Number {
		links = append(links, link(p.Number+1, "next"))
	}
	links = append(links, link(pages, "last"))
	w.Header().Set("Link", strings.Join(links, ", "))
	w.Header().Set("X-Total-Count", strconv.FormatUint(total, 10))
}

// adminListUsers is GET /admin/users.
func (h *Handler) adminListUsers(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	p, err := parsePage(q)
	if err != nil {
		return err
	}
	aud := h.audience(r)
	where := "\nfrom auth.users u where " + ofInstance + " and (u.aud = $1 or u.aud is null)"
	args := []any{aud}
	if f := q.Get("filter"); f != "" {
		where += " and (u.email like $2 or u.raw_user_meta_data->>'full_name' ilike $2)"
		args = append(args, "%"+cleanText(f, 1024)+"%")
	}
	limit, offset := p.limits()
	users, total := []*User{}, uint64(0)
	err = h.withConn(r.Context(), func(c querier) error {
		if err := c.QueryRow(r.Context(), "select count(*)"+where, args...).Scan(&total); err != nil {
			return err
		}
		rows, err := c.Query(r.Context(), userSelect+where+
			fmt.Sprintf("\norder by u.created_at %[1]s nulls last, u.id %[1]s limit $%[2]d offset $%[3]d", p.Order, len(args)+1, len(args)+2),
			append(args, limit, offset)...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			u, err := h.scanUser(rows)
			if err != nil {
				return err
			}
			users = append(users, u)
		}
		return rows.Err()
	})
	if err != nil {
		return internal("Database error finding users", err)
	}
	p.writeHeaders(w, r, total)
	return writeOK(w, map[string]any{"users": users, "aud": aud})
}

// auditRow is an entry of GET /admin/audit.
type auditRow struct {
	ID        string          `json:"id"`
	Payload   json.RawMessage `json:"payload"`
	CreatedAt time.Time       `json:"created_at"`
	IP        string          `json:"ip_address"`
}

// auditFilters are what a query of the audit log may look into.
var auditFilters = map[string]string{
	"author": "(payload->>'actor_username' ilike $1 or payload->>'actor_name' ilike $1)",
	"action": "payload->>'action' ilike $1",
	"type":   "payload->>'log_type' ilike $1",
}

// adminAudit is GET /admin/audit. Its query is "author:", "action:" or "type:"
// and what to look for.
func (h *Handler) adminAudit(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	q.Del("sort")
	p, err := parsePage(q)
	if err != nil {
		return err
	}
	where, args := " from auth.audit_log_entries where true", []any{}
	if s := q.Get("query"); s != "" {
		kind, value, ok := strings.Cut(s, ":")
		filter := auditFilters[kind]
		if !ok || filter == "" {
			return invalid("Invalid query scope: %s", cleanText(s, 64))
		}
		where += " and " + filter
		args = append(args, "%"+cleanText(value, 1024)+"%")
	}
	limit, offset := p.limits()
	list, total := []auditRow{}, uint64(0)
	err = h.withConn(r.Context(), func(c querier) error {
		if err := c.QueryRow(r.Context(), "select count(*)"+where, args...).Scan(&total); err != nil {
			return err
		}
		rows, err := c.Query(r.Context(), "select id::text, coalesce(payload, 'null'), coalesce(created_at, 'epoch'), ip_address"+where+
			fmt.Sprintf(" order by created_at desc, id limit $%d offset $%d", len(args)+1, len(args)+2), append(args, limit, offset)...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a auditRow, err error) {
			err = row.Scan(&a.ID, (*[]byte)(&a.Payload), &a.CreatedAt, &a.IP)
			a.CreatedAt = a.CreatedAt.UTC()
			return a, err
		})
		return err
	})
	if err != nil {
		return internal("Error searching for audit logs", err)
	}
	p.writeHeaders(w, r, total)
	return writeOK(w, list)
}

// adminListFactors is GET /admin/users/{id}/factors.
func (h *Handler) adminListFactors(w http.ResponseWriter, r *http.Request) error {
	factors := loadedUser(r).Factors
	if factors == nil {
		factors = []Factor{}
	}
	return writeOK(w, factors)
}

// adminUpdateFactor is PUT /admin/users/{id}/factors/{factor_id}.
func (h *Handler) adminUpdateFactor(w http.ResponseWriter, r *http.Request) error {
	var p struct {
		FriendlyName string `json:"friendly_name"`
	}
	u := loadedUser(r)
	f, err := pathFactor(u, chi.URLParam(r, "factor_id"))
	if err != nil {
		return err
	}
	if err := readJSON(w, r, &p); err != nil {
		return err
	}
	if err := checkFactorName(p.FriendlyName); err != nil {
		return err
	}
	err = h.inTx(r, func(tx *work) error {
		if p.FriendlyName != "" {
			if err := tx.renameFactor(f, p.FriendlyName); err != nil {
				return err
			}
			f.FriendlyName, f.UpdatedAt = p.FriendlyName, tx.now
		}
		tx.audit(adminActor(r), auditFactorUpdated, map[string]any{"user_id": u.ID, "factor_id": f.ID, "factor_type": f.Type})
		return nil
	})
	if err != nil {
		return err
	}
	return writeOK(w, f)
}

// adminDeleteFactor is DELETE /admin/users/{id}/factors/{factor_id}.
func (h *Handler) adminDeleteFactor(w http.ResponseWriter, r *http.Request) error {
	u := loadedUser(r)
	f, err := pathFactor(u, chi.URLParam(r, "factor_id"))
	if err != nil {
		return err
	}
	err = h.inTx(r, func(tx *work) error {
		tx.audit(u, auditFactorDeleted, map[string]any{"user_id": u.ID, "factor_id": f.ID})
		return tx.deleteFactor(f)
	})
	if err != nil {
		return err
	}
	return writeOK(w, f)
}
