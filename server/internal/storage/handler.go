// Package storage speaks the Storage API: buckets and objects over HTTP, with
// the rows in PostgreSQL under the caller's role and the bytes in a blob.Store.
//
// Who may do what is decided by the database alone: each statement runs under
// the role and claims of the caller, and what the server has to do on its own
// account, such as writing the final row, runs as service_role. No connection
// is held while bytes travel from or to a client.
package storage

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/suparust/suparust/server/internal/gateway"
	"github.com/suparust/suparust/server/internal/httpx"
	"github.com/suparust/suparust/server/internal/session"
	"github.com/suparust/suparust/server/internal/storage/blob"
	"github.com/suparust/suparust/server/internal/storage/render"
)

// DefaultFileSizeLimit is the largest object when nothing else is said: 50 MiB.
const DefaultFileSizeLimit = 50 << 20

// Config of a Handler.
type Config struct {
	DB       *session.DB       // logs in as authenticator; required
	Blobs    blob.Store        // required; the handler starts and closes it
	Signer   *gateway.Signer   // signs URLs with the JWT secret; required
	Verifier *gateway.Verifier // checks signed URLs and bare tokens; required
	// Uploads keeps resumable uploads on their way into Blobs; required, the
	// handler starts and closes it.
	Uploads blob.Uploads
	// Connect opens a connection to the database, for the locks that keep other
	// processes from the uploads that this one changes; nil where Uploads do
	// that by themselves.
	Connect func(context.Context) (*pgx.Conn, error)
	// UploadExpiry is how long an unfinished upload is kept, a resumable one and
	// one in parts of the S3 protocol; 0 means DefaultUploadExpiry.
	UploadExpiry time.Duration
	// PublicURL is the address clients use, for that of a resumable upload; ""
	// is the address that a client has used.
	PublicURL string
	// FileSizeLimit is the largest object in bytes, 0 means DefaultFileSizeLimit.
	FileSizeLimit int64
	// StandardLimit is the largest object that comes in one request, 0 means
	// FileSizeLimit.
	StandardLimit int64
	// SignedUploadExpiry is how long a signed upload can be used, 0 means 2 h.
	SignedUploadExpiry time.Duration
	// ETagHeaders are the headers in which caches send the ETag they have, nil
	// means If-None-Match; SMaxAge, in seconds, is what Cache-Control gets for
	// these caches as s-maxage, 0 is nothing.
	ETagHeaders []string
	SMaxAge     int
	// LimitDeletes refuses to delete more than 1,000 objects in one request.
	LimitDeletes bool
	Images       Images
	// KeepOrphans leaves bytes that no row names, where the database has no way
	// to tell whether the store is its own.
	KeepOrphans bool
	S3          S3Config
	Now         func() time.Time // nil means time.Now
	Logger      *slog.Logger     // nil discards

	finish time.Duration // 0 means finishTimeout
}

// Handler answers the Storage API. It expects paths without the /storage/v1
// prefix, behind a gateway.Gateway.
type Handler struct {
	db         *session.DB
	blobs      blob.Store
	signer     *gateway.Signer
	verifier   *gateway.Verifier
	limit      int64
	standard   int64 // limit of one request
	signLife   time.Duration
	etags      []string
	sMaxAge    int
	fewDeletes bool
	images     Images
	renderer   *render.Renderer
	now        func() time.Time
	log        *slog.Logger
	keep       bool
	s3         S3Config

	uploads      blob.Uploads
	uploadExpiry time.Duration
	publicURL    string
	locks        uploadLocks
	open         openBuckets
	database     atomic.Pointer[string] // its installation's id, nil until asked for

	finishes   finishes
	background sync.WaitGroup
	stop       context.CancelFunc
}

// New makes a Handler. It opens nothing before Start.
func New(c Config) (*Handler, error) {
	if c.DB == nil || c.Blobs == nil || c.Uploads == nil || c.Signer == nil || c.Verifier == nil {
		return nil, errors.New("storage: DB, Blobs, Uploads, Signer and Verifier are required")
	}
	if c.FileSizeLimit <= 0 {
		c.FileSizeLimit = DefaultFileSizeLimit
	}
	if c.UploadExpiry <= 0 {
		c.UploadExpiry = DefaultUploadExpiry
	}
	if c.StandardLimit <= 0 {
		c.StandardLimit = c.FileSizeLimit
	}
	if c.SignedUploadExpiry <= 0 {
		c.SignedUploadExpiry = uploadTokenLife
	}
	if len(c.ETagHeaders) == 0 {
		c.ETagHeaders = []string{"If-None-Match"}
	}
	if c.Images.MinSize <= 0 {
		c.Images.MinSize = DefaultImageLimits.MinSize
	}
	if c.Images.MaxSize <= 0 {
		c.Images.MaxSize = DefaultImageLimits.MaxSize
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.finish <= 0 {
		c.finish = finishTimeout
	}
	h := &Handler{
		db: c.DB, blobs: c.Blobs, signer: c.Signer, verifier: c.Verifier,
		limit: c.FileSizeLimit, standard: min(c.StandardLimit, c.FileSizeLimit), signLife: c.SignedUploadExpiry,
		etags: c.ETagHeaders, sMaxAge: c.SMaxAge, fewDeletes: c.LimitDeletes, images: c.Images, renderer: render.New(c.Images.Limits), now: c.Now, log: c.Logger, keep: c.KeepOrphans,
		uploads: c.Uploads, uploadExpiry: c.UploadExpiry, publicURL: c.PublicURL,
		s3: c.S3.complete(), finishes: finishes{timeout: c.finish},
	}
	if c.Connect != nil {
		h.locks.shared = &sharedLocks{connect: c.Connect, asked: h.locks.wanted, log: c.Logger}
	}
	return h, nil
}

// Start opens the stores of bytes and, in the background, completes uploads
// that are whole, removes what an earlier process left that no row names, and
// ends uploads that have expired.
func (h *Handler) Start(ctx context.Context) error {
	if err := h.blobs.Start(ctx); err != nil {
		return err
	}
	if err := h.uploads.Start(ctx); err != nil {
		return err
	}
	ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	h.background.Go(func() {
		h.sweepUploadsOnce(ctx)
		h.background.Go(func() { h.sweepOrphans(ctx) })
		h.sweepUploads(ctx)
	})
	return nil
}

// Close ends the background work and closes the stores of bytes. Requests must
// have ended.
func (h *Handler) Close() error {
	if h.stop != nil {
		h.stop()
	}
	h.background.Wait()
	if h.locks.shared != nil {
		h.locks.shared.close()
	}
	h.finishes.close()
	return errors.Join(h.uploads.Close(), h.blobs.Close())
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.isS3(r) {
		h.serveS3(w, r)
		return
	}
	c, rt, badURL := h.route(w, r)
	switch {
	case badURL != nil:
		badURL.write(w)
	case rt == nil:
		notFound(w, r)
	default:
		if err := h.serve(c, rt); err != nil {
			c.logDenied(err)
			h.fail(w, r, err)
		}
	}
}

func (h *Handler) serve(c *call, rt *route) error {
	if err := c.authenticate(rt.auth); err != nil {
		return err
	}
	return rt.serve(c)
}

func writeJSON(w http.ResponseWriter, v any) error {
	return httpx.WriteJSONType(w, http.StatusOK, jsonType, v)
}

type message struct {
	Message string `json:"message"`
}
