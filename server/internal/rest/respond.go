package rest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/plan"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/session"
)

// answer is a finished answer. The body is what PostgreSQL made.
type answer struct {
	status      int
	header      headers
	body        []byte
	hasBody     bool
	emptyLength bool // tell a length of zero
	sent        bool // to the client already
}

func newAnswer(status int) *answer { return &answer{status: status} }

func (a *answer) write(w http.ResponseWriter, r *http.Request) {
	if a.sent {
		return
	}
	switch {
	case r.Method == http.MethodHead:
	case a.hasBody:
		a.header.Set("Content-Length", strconv.Itoa(len(a.body)))
	case a.emptyLength && a.status != http.StatusNoContent:
		a.header.Set("Content-Length", "0")
	}
	a.setHeader(w)
	w.WriteHeader(a.status)
	if a.hasBody && r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // the client is gone when this fails; nothing is left to do
	}
}

func (a *answer) setHeader(w http.ResponseWriter) {
	head := w.Header()
	before := head["Vary"]
	a.header.writeTo(head)
	writeVary(head, before, a.header.Values("Vary"))
}

// counts are the numbers of an answer.
type counts struct {
	page     int64
	total    int64
	hasTotal bool
	inserted int64
}

// respond turns the result row into the answer.
func respond(req *request.Request, p *plan.Plan, cfg *config, results []session.Result) (*answer, error) {
	row := results[0].Rows[0]
	n, err := readCounts(req, p, cfg, results)
	if err != nil {
		return nil, err
	}
	a := newAnswer(http.StatusOK)
	a.body = row[plan.ResultBody]
	switch p.Kind {
	case plan.Read, plan.CallFunction:
		if p.Media.Kind == plan.Object && n.page != 1 {
			return nil, notSingular(strconv.FormatInt(n.page, 10))
		}
		a.readStatus(req, p, n)
	case plan.Create:
		a.status, a.emptyLength = http.StatusCreated, true
		if p.Resolution == request.MergeDuplicates && n.inserted <= 0 {
			a.status = http.StatusOK
		}
		a.header.Set("Content-Range", contentRange(0, -1, n))
		if err := a.location(req, row[plan.ResultLocation]); err != nil {
			return nil, err
		}
	case plan.Update:
		a.writeStatus(p)
		a.header.Set("Content-Range", contentRange(0, n.page-1, n))
	case plan.Delete:
		a.writeStatus(p)
		a.header.Set("Content-Range", contentRange(0, -1, n))
	case plan.Upsert:
		a.writeStatus(p)
		if p.Body && n.inserted > 0 {
			a.status = http.StatusCreated
		}
	}
	if p.Kind != plan.Read && p.Kind != plan.CallFunction {
		a.hasBody = p.Body
	}
	if a.hasBody || req.Method == http.MethodHead {
		if a.header.Get("Content-Type") == "" && !(p.Function != nil && p.Function.Returns == catalog.ReturnsVoid) {
			a.header.Set("Content-Type", p.Media.ContentType())
			if req.Negotiated {
				a.header.Set("Content-Profile", req.Schema)
			}
		}
	}
	if applied := appliedPreferences(req, p, cfg); applied != "" {
		a.header.Set("Preference-Applied", applied)
	}
	return a, a.override(row[plan.ResultHeaders], row[plan.ResultStatus])
}

// explained shows the plan of the statement.
func explained(req *request.Request, p *plan.Plan, r session.Result) (*answer, error) {
	a := newAnswer(http.StatusOK)
	a.hasBody = true
	for i, row := range r.Rows {
		if i > 0 {
			a.body = append(a.body, '\n')
		}
		a.body = append(a.body, row[0]...)
	}
	a.header.Set("Content-Type", p.Media.ContentType())
	if req.Negotiated {
		a.header.Set("Content-Profile", req.Schema)
	}
	return a, nil
}

func (a *answer) writeStatus(p *plan.Plan) {
	a.status = http.StatusNoContent
	if p.Body {
		a.status = http.StatusOK
	}
}

// readStatus sets status, range and body of a read or a call.
func (a *answer) readStatus(req *request.Request, p *plan.Plan, n counts) {
	offset := p.Range.Offset
	a.hasBody = p.Body
	a.header.Set("Content-Range", contentRange(offset, offset+n.page-1, n))
	if p.Kind == plan.Read {
		location := req.Path
		if req.Query.Canonical != "" {
			location += "?" + req.Query.Canonical
		}
		a.header.Set("Content-Location", location)
	}
	switch {
	case p.Function != nil && p.Function.Returns == catalog.ReturnsVoid:
		a.status, a.hasBody = http.StatusNoContent, false
	case !n.hasTotal:
	case offset > n.total:
		a.status = http.StatusRequestedRangeNotSatisfiable
		e := &Error{Code: "PGRST103", Message: "Requested range not satisfiable",
			Details: "An offset of " + strconv.FormatInt(offset, 10) + " was requested, but there are only " + strconv.FormatInt(n.total, 10) + " rows."}
		a.body = encodeError(e)
		a.header.Set("Content-Type", "application/json; charset=utf-8")
		a.header.Set("Proxy-Status", "PostgREST; error=PGRST103")
	case n.page < n.total:
		a.status = http.StatusPartialContent
	}
}

// contentRange writes "first-last/total".
func contentRange(first, last int64, n counts) string {
	b := make([]byte, 0, 24)
	if last < first || n.hasTotal && n.total == 0 {
		b = append(b, '*')
	} else {
		b = strconv.AppendInt(b, first, 10)
		b = append(b, '-')
		b = strconv.AppendInt(b, last, 10)
	}
	b = append(b, '/')
	if n.hasTotal {
		return string(strconv.AppendInt(b, n.total, 10))
	}
	return string(append(b, '*'))
}

func readCounts(req *request.Request, p *plan.Plan, cfg *config, results []session.Result) (counts, error) {
	row := results[0].Rows[0]
	var n counts
	var err error
	if n.page, err = strconv.ParseInt(string(row[plan.ResultPage]), 10, 64); err != nil {
		return n, err
	}
	if v := row[plan.ResultInserted]; v != nil {
		if n.inserted, err = strconv.ParseInt(string(v), 10, 64); err != nil {
			return n, err
		}
	}
	if v := row[plan.ResultTotal]; v != nil {
		if n.total, err = strconv.ParseInt(string(v), 10, 64); err != nil {
			return n, err
		}
		n.hasTotal = true
	}
	writes := p.Kind != plan.Read && p.Kind != plan.CallFunction
	if count := req.Prefs.Count; writes && (count == request.CountExact || count == request.CountEstimated) {
		n.total, n.hasTotal = n.page, true
	}
	if len(results) > 1 && (!n.hasTotal || cfg.maxRows == 0 || n.total > int64(cfg.maxRows)) {
		estimate, err := planRows(results[1])
		if err != nil {
			return n, err
		}
		n.total, n.hasTotal = max(n.total, estimate), true
	}
	return n, nil
}

// planRows reads the estimate of an EXPLAIN in JSON.
func planRows(r session.Result) (int64, error) {
	var text []byte
	for _, row := range r.Rows {
		text = append(text, row[0]...)
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) == 0 {
		return 0, &Error{Code: "PGRSTX00", Status: http.StatusInternalServerError, Message: "Internal server error",
			Details: "The query plan could not be read.", Cause: err}
	}
	return int64(plans[0].Plan.Rows), nil
}

// location names the row that was inserted by its key.
func (a *answer) location(req *request.Request, pairs []byte) error {
	if pairs == nil {
		return nil
	}
	var key [][2]*string
	if err := json.Unmarshal(pairs, &key); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("/" + url.PathEscape(req.Name))
	for i, p := range key {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(request.EncodeComponent(*p[0]))
		if p[1] == nil {
			b.WriteString("=is.null")
		} else {
			b.WriteString("=eq." + request.EncodeComponent(*p[1]))
		}
	}
	a.header.Set("Location", b.String())
	return nil
}

// appliedPreferences lists the preferences that had a meaning for the request.
func appliedPreferences(req *request.Request, p *plan.Plan, cfg *config) string {
	prefs := &req.Prefs
	if prefs.None() {
		return ""
	}
	var applied []string
	add := func(given bool, text string) {
		if given {
			applied = append(applied, text)
		}
	}
	writes := p.Kind != plan.Read && p.Kind != plan.CallFunction
	keyed := p.Relation != nil && len(p.Relation.PrimaryKey) > 0 || req.Query.HasOnConflict
	add(prefs.Resolution != 0 && p.Kind == plan.Create && keyed, prefs.Resolution.String())
	add(prefs.Missing != 0 && (p.Kind == plan.Create || p.Kind == plan.Update), prefs.Missing.String())
	add(prefs.Return != 0 && writes, prefs.Return.String())
	add(prefs.Count != 0, prefs.Count.String())
	add(prefs.Tx != 0 && cfg.allowTx, prefs.Tx.String())
	add(prefs.Handling != 0, prefs.Handling.String())
	if prefs.Timezone != "" {
		add(true, "timezone="+prefs.Timezone)
	}
	add(prefs.HasMaxAffected && prefs.Handling == request.Strict && (p.Kind == plan.Update || p.Kind == plan.Delete || p.Kind == plan.CallFunction),
		"max-affected="+strconv.FormatInt(prefs.MaxAffected, 10))
	return strings.Join(applied, ", ")
}

// override applies the headers and the status that SQL has set for the answer.
func (a *answer) override(headers, status []byte) error {
	if len(headers) > 0 {
		var list []map[string]string
		if err := json.Unmarshal(headers, &list); err != nil {
			return badHeaders()
		}
		replaced := map[string]bool{}
		for _, member := range list {
			if len(member) != 1 {
				return badHeaders()
			}
			for name, value := range member {
				key := http.CanonicalHeaderKey(name)
				if !replaced[key] {
					a.header.Del(key)
					replaced[key] = true
				}
				a.header.Add(key, value)
			}
		}
	}
	if len(status) > 0 {
		digits := string(status)
		if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
			digits = digits[:i]
		}
		n, err := strconv.Atoi(digits)
		if err != nil || !validStatus(n) {
			return &Error{Code: "PGRST112", Status: http.StatusInternalServerError, Message: "response.status guc must be a valid status code"}
		}
		a.status = n
		if n == http.StatusNoContent || n == http.StatusNotModified {
			a.hasBody = false
		}
	}
	return nil
}

func badHeaders() error {
	return &Error{Code: "PGRST111", Status: http.StatusInternalServerError,
		Message: "response.headers guc must be a JSON array composed of objects with a single key and a string value"}
}
