package pg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// recipe names how this package makes a template. It is part of the key: change it whenever the result changes.
const recipe = "4"

// TemplateSpec says what a template holds.
type TemplateSpec struct {
	// Binaries make the template and run its clones.
	Binaries *Binaries
	// Key is a hash of everything Build writes. The binaries and this package's own recipe are added to it.
	Key string
	// Build fills the fresh cluster. dsn returns a connection string for any user, without a password.
	Build func(ctx context.Context, dsn func(user, db string) string) error
	// Private lets nobody but the user who makes it read the template in the cache.
	Private bool
	// CacheDir keeps templates. Default: see DefaultCacheDir.
	CacheDir string
	// Logger gets this package's messages; nil logs nothing.
	Logger *slog.Logger
	// Progress shows a person that a template is made; nil shows nothing.
	Progress io.Writer
}

// Template is a data directory that clusters start from, held in memory.
type Template struct {
	bin   *Binaries
	key   string
	image *image
}

// Binaries are what the template was made with and its clones run on.
func (t *Template) Binaries() *Binaries { return t.bin }

// Key names the template's content.
func (t *Template) Key() string { return t.key }

// Size is the number of bytes a clone starts with.
func (t *Template) Size() int64 { return t.image.bytes }

func (s *TemplateSpec) fullKey() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n", recipe, s.Binaries.Version, s.Binaries.ID, s.Key)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// A process keeps the templates it used last in memory: tests of one package mostly share one.
const keptTemplates = 4

type templateCall struct {
	done chan struct{}
	tmpl *Template
	err  error
}

var (
	templatesMu   sync.Mutex
	templateCalls = map[string]*templateCall{}
	templateOrder []string // keys, the one used last at the end
)

// LoadTemplate returns the template, from memory, from the cache, or built anew. Callers and processes that want the same
// one at the same time build it once.
func LoadTemplate(ctx context.Context, s TemplateSpec) (*Template, error) {
	if s.Binaries == nil {
		return nil, errors.New("pg: TemplateSpec needs Binaries")
	}
	if s.CacheDir == "" {
		s.CacheDir = DefaultCacheDir()
	}
	s.Logger = orDiscard(s.Logger)
	key := s.fullKey()
	id := s.CacheDir + "\x00" + s.Binaries.BinDir + "\x00" + key
	for {
		templatesMu.Lock()
		call := templateCalls[id]
		if call == nil {
			call = &templateCall{done: make(chan struct{})}
			templateCalls[id] = call
			useTemplate(id)
			templatesMu.Unlock()
			var im *image
			if im, call.err = loadImage(ctx, s, key); call.err == nil {
				call.tmpl = &Template{bin: s.Binaries, key: key, image: im}
			} else {
				templatesMu.Lock()
				delete(templateCalls, id)
				templatesMu.Unlock()
			}
			close(call.done)
			return call.tmpl, call.err
		}
		useTemplate(id)
		templatesMu.Unlock()
		select {
		case <-call.done:
			if call.err == nil {
				return call.tmpl, nil
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// useTemplate moves a key to the end of the order and forgets the oldest. It is called with templatesMu held.
func useTemplate(id string) {
	for i, k := range templateOrder {
		if k == id {
			templateOrder = append(templateOrder[:i], templateOrder[i+1:]...)
			break
		}
	}
	templateOrder = append(templateOrder, id)
	if len(templateOrder) > keptTemplates {
		delete(templateCalls, templateOrder[0])
		templateOrder = templateOrder[1:]
	}
}
