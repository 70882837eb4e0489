package server

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/pgnet"
	"github.com/suparust/suparust/server/internal/wake"
)

// callNet is the name by which functions of pg_net call the server.
const callNet = "pg_net"

// netRequests is what sends the requests that SQL asks for.
type netRequests struct {
	worker *pgnet.Worker // nil where the database is somebody else's
	pipe   *wake.Pipe    // nil where the database is not the server's own
}

// start needs a connection when there are requests: in the server's own
// PostgreSQL a pipe tells of them. Elsewhere a connection is kept, where the
// extension is this product's.
func (o *netRequests) start(c *Config, d *database) {
	if c.plain() {
		return
	}
	nc := pgnet.Config{Connect: d.netConn, Transport: c.HTTP, Stays: d.cluster == nil, Logger: c.Logger.With("target", "net")}
	if d.cluster != nil {
		pipe, err := wake.Open(d.cluster.Dir(), callNet)
		if err != nil {
			nc.Logger.Warn("PostgreSQL cannot call the server, so a connection waits for the requests of pg_net", "error", err)
			nc.Stays = true
		} else {
			o.pipe, nc.Calls = pipe, pipe.Calls(callNet)
		}
	}
	o.worker = pgnet.New(nc)
	if d.cluster != nil && c.Database.DataDir != "" { // the last server may have left some
		o.worker.Call()
	}
	o.worker.Start()
}

// replaced is called before the database becomes another one, and resume when
// it is there.
func (o *netRequests) replaced() (resume func()) {
	if o.worker == nil {
		return func() {}
	}
	return o.worker.Replaced()
}

func (o *netRequests) close() error {
	if o.worker != nil {
		o.worker.Close()
	}
	if o.pipe != nil {
		return o.pipe.Close()
	}
	return nil
}

// netConn opens a connection for pg_net's worker. It is the project's own role,
// for others may have put triggers on what the worker writes to.
func (d *database) netConn(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := d.connect(projectUser)
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, cfg)
}
