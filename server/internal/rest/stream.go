package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/rest/plan"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/session"
)

const (
	// streamAbove is the number of rows up to which a body is made in one piece.
	// For few rows that is quicker: it spares PostgreSQL a message and us a
	// copy for each. From some hundred on, the other way is.
	streamAbove = 1000
	// streamAfter is how much of a body is held back, so that an answer up to
	// this size has its length and an error in it its own answer.
	streamAfter = 256 << 10
)

// tooLargeError says that an answer has grown beyond the limit.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.limit)
}

// stream is an answer whose rows come one by one.
type stream struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	cfg    *config
	req    *request.Request
	plan   *plan.Plan
	clock  *stopwatch
	cancel context.CancelFunc

	head   [][]byte // the first row
	before []session.Result
	rows   int
	size   int64
	buf    []byte
	// instead is an answer that has no rows although there are some: a total
	// may be an estimate that they are beyond.
	instead *answer
	spool   *spool        // nil until the answer has begun
	sent    chan struct{} // closed when the client has what it gets
	err     error         // of sending; to be read when sent is closed
	gone    bool          // the client did not take it; likewise
}

// stream runs the statements, the last of which gives the body row by row. A
// small answer is returned, a large one has been sent when it returns. There
// is no way to tell a client of an error in a body that it has part of, but to
// end the connection: that is what a panic with http.ErrAbortHandler does.
func (h *Handler) stream(ctx context.Context, w http.ResponseWriter, r *http.Request, cfg *config, req *request.Request, p *plan.Plan,
	settings *session.Settings, options session.Options, statements []session.Statement, clock *stopwatch) (*answer, error) {
	clock.lap(phasePlan)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stream{h: h, w: w, r: r, cfg: cfg, req: req, plan: p, clock: clock, cancel: cancel}
	err := h.db.Stream(ctx, settings, options, statements, s.row)
	if err == nil && s.head == nil {
		err = errors.New("rest: the statement did not give its first row")
	}
	switch {
	case s.instead != nil:
		return s.instead, nil
	case s.spool == nil && err != nil:
		return nil, err
	case s.spool == nil:
		s.head[plan.ResultBody] = append(s.buf, p.Stream.Close...)
		return s.answer()
	}
	if err == nil {
		s.buf = append(s.buf, p.Stream.Close...)
		err = s.spool.put(s.buf)
	}
	s.spool.finish(err)
	<-s.sent
	s.spool.close()
	if err == nil {
		err = s.err
	}
	if err != nil {
		s.cut(err)
	}
	return &answer{sent: true}, nil
}

// cut ends the connection in the middle of the body.
func (s *stream) cut(err error) {
	if !s.gone && s.r.Context().Err() == nil {
		s.h.log.LogAttrs(s.r.Context(), slog.LevelError, "an answer was cut off", slog.String("req_id", gateway.RequestID(s.r.Context())),
			slog.String("error", err.Error()))
	}
	panic(http.ErrAbortHandler)
}

// row takes one row of the statement.
func (s *stream) row(values [][]byte, before []session.Result) error {
	if s.head == nil {
		s.head = make([][]byte, len(values))
		for i, v := range values {
			if v != nil {
				s.head[i] = append([]byte{}, v...)
			}
		}
		s.before = before
		s.buf = s.head[plan.ResultBody]
		s.head[plan.ResultBody] = nil
		return nil
	}
	if s.rows++; s.rows > 1 {
		s.buf = append(s.buf, s.plan.Stream.Separator...)
	}
	text := values[plan.ResultBody]
	if len(text) < 2*s.plan.Stream.Cut {
		return errors.New("rest: a row of the statement has no text")
	}
	text = text[s.plan.Stream.Cut : len(text)-s.plan.Stream.Cut]
	if s.size += int64(len(text) + len(s.plan.Stream.Separator)); s.size > s.h.cfg.MaxResponse {
		return &tooLargeError{s.h.cfg.MaxResponse}
	}
	s.buf = append(s.buf, text...)
	switch {
	case s.spool == nil && len(s.buf) < streamAfter, s.spool != nil && len(s.buf) < spoolChunk:
		return nil
	case s.spool == nil:
		return s.begin()
	}
	full := s.buf
	s.buf = s.spool.chunk()
	return s.spool.put(full)
}

// answer is the answer by the first row and the body in it, if there is one.
func (s *stream) answer() (*answer, error) {
	main := session.Result{Rows: [][][]byte{s.head}}
	estimates := s.before[len(s.before)-s.estimates():]
	s.clock.lap(phaseTransaction) // up to the first rows where the answer is sent as they come
	a, err := respond(s.req, s.plan, s.cfg, append([]session.Result{main}, estimates...))
	return s.clock.told(a, err)
}

// estimates is how many statements before the last one estimate the total.
func (s *stream) estimates() int {
	if s.plan.Estimate.SQL == "" {
		return 0
	}
	return 1
}

// begin sends the head of the answer and lets a goroutine send the body.
func (s *stream) begin() error {
	a, err := s.answer()
	if err != nil {
		return err
	}
	if a.body != nil {
		s.instead = a
		return errors.New("rest: the answer is an error")
	}
	s.spool = newSpool(&s.h.spooled)
	s.sent = make(chan struct{})
	if err := s.spool.put(s.buf); err != nil {
		return err
	}
	s.buf = s.spool.chunk()
	go s.deliver(a)
	return nil
}

// deliver sends the answer and says what became of it. Whatever goes wrong
// here ends this answer alone: nobody else recovers a goroutine's panic.
func (s *stream) deliver(a *answer) {
	defer close(s.sent)
	defer func() {
		if p := recover(); p != nil {
			s.err = fmt.Errorf("rest: sending an answer: %v", p)
		}
		if s.err != nil {
			s.spool.abandon()
			s.cancel()
		}
	}()
	s.err = s.send(a)
}

// send writes the answer to the client, which may take as long as it makes
// progress.
func (s *stream) send(a *answer) error {
	a.setHeader(s.w)
	s.w.WriteHeader(a.status)
	for {
		c, err := s.spool.take()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if a.hasBody {
			_, err = s.w.Write(c)
		}
		if err != nil {
			s.gone = true
			return err
		}
		s.spool.give(c)
	}
}
