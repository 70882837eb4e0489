package suparusttest

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// AsRole begins a transaction that runs SQL as a request with these claims
// does: role is "authenticated" when they name none, auth.uid() is their sub.
// It is rolled back when tb ends, or by its Rollback before; until then it
// holds one of the pool's connections.
//
//	tx := suparusttest.AsRole(t, srv.Pool(t), map[string]any{"sub": ann.ID})
//	_, err := tx.Exec(ctx, "insert into notes (owner) values ($1)", bob.ID) // refused by the policy
func AsRole(tb testing.TB, pool *pgxpool.Pool, claims map[string]any) pgx.Tx {
	tb.Helper()
	role, ok := claims["role"].(string)
	if !ok {
		role = "authenticated"
	}
	all := map[string]any{"role": role}
	for k, v := range claims {
		all[k] = v
	}
	text, err := json.Marshal(all)
	if err != nil {
		tb.Fatalf("suparusttest: the claims: %v", err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), poolPatience)
	defer cancel()
	tx, err := pool.Begin(ctx) // ctx is of the beginning alone
	if err != nil {
		tb.Fatalf("suparusttest: %v", usedUp(ctx, pool, err))
	}
	tb.Cleanup(func() { _ = tx.Rollback(context.Background()) }) // after another end it does nothing
	const become = "select set_config('request.jwt.claims', $1, true), set_config('role', $2, true)"
	if _, err := tx.Exec(tb.Context(), become, string(text), role); err != nil {
		tb.Fatalf("suparusttest: become %s: %v", role, err)
	}
	return tx
}
