package rest

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/suparust/suparust/server/internal/rest/plan"
	"github.com/suparust/suparust/server/internal/session"
)

// rowsError words the server's own check of the number of rows.
func rowsError(err error, p *plan.Plan) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Code != stateRows {
		return err
	}
	switch {
	case p.Kind == plan.Upsert:
		return &Error{Code: "PGRST115", Status: http.StatusBadRequest, Message: "Payload values do not match URL in primary key column(s)"}
	case p.Media.Kind == plan.Object && !p.LimitsRows:
		return notSingular(pe.Detail)
	default:
		return &Error{Code: "PGRST124", Status: http.StatusBadRequest,
			Message: "Query result exceeds max-affected preference constraint", Details: "The query affects " + pe.Detail + " rows"}
	}
}

func notSingular(rows string) *Error {
	return &Error{Code: "PGRST116", Status: http.StatusNotAcceptable,
		Message: "Cannot coerce the result to a single JSON object", Details: "The result contains " + rows + " rows"}
}

// checkRows is the check of the number of rows where the database has none of
// its own. It fails as the database's does.
func checkRows(results []session.Result, main int, want *plan.RowRange) error {
	if len(results) <= main || len(results[main].Rows) != 1 {
		return errors.New("rest: the statement did not give its one row")
	}
	rows := string(results[main].Rows[0][plan.ResultPage])
	n, err := strconv.ParseInt(rows, 10, 64)
	switch {
	case err != nil:
		return err
	case n < want.Low || n > want.High:
		return &pgconn.PgError{Code: stateRows, Detail: rows}
	}
	return nil
}
