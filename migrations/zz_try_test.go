package migrations

import ("context";"os";"testing";"time";"github.com/jackc/pgx/v5")

func TestZZ(t *testing.T) {
	dsn := os.Getenv("SCRATCH"); if dsn == "" { t.Skip() }
	c, err := pgx.Connect(context.Background(), dsn); if err != nil { t.Fatal(err) }
	for i := 0; i < 2; i++ {
		s := time.Now()
		if err := Apply(context.Background(), c, Options{JWTSecret: "a'b", JWTExpiry: 3600}); err != nil { t.Fatal(err) }
		t.Log(time.Since(s))
	}
}
