package catalog

import (
	"regexp"
	"slices"
	"strings"
)

// AnyMediaType is the name of the domain of a handler for every media type.
const AnyMediaType = "*/*"

// HandlerKey names what an aggregate makes of what.
type HandlerKey struct {
	// Relation is whose rows are taken, the zero Name for those of any.
	Relation Name
	// MediaType is in lower case.
	MediaType string
}

// Handler is an aggregate that turns rows into a body of a media type: it
// returns a domain that is named as one.
type Handler struct {
	Aggregate Name
	// Relation is whose rows are taken, the zero Name for those of any.
	Relation Name
	// MediaType is the domain's name.
	MediaType string
}

var mediaTypeName = regexp.MustCompile(`^[A-Za-z0-9.-]+/[A-Za-z0-9.+-]+$`)

// vendorTypes are the media types of the dialect itself, which nothing replaces.
const vendorTypes = "application/vnd.pgrst."

// IsMediaType is true for the names of domains that stand for a media type.
func IsMediaType(name string) bool {
	return name == AnyMediaType || mediaTypeName.MatchString(name) && !strings.HasPrefix(strings.ToLower(name), vendorTypes)
}

// Handler finds the aggregate for a media type, given in lower case, over the
// rows of a relation, or of any relation for the zero Name. Where several
// schemas have one, that of the schema given comes first.
func (s *Snapshot) Handler(relation Name, mediaType, schema string) *Handler {
	list := s.Handlers[HandlerKey{relation, mediaType}]
	if i := slices.IndexFunc(list, func(h *Handler) bool { return h.Aggregate.Schema == schema }); i > 0 {
		return list[i]
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// AddHandler adds an aggregate to a snapshot that is being made.
func (s *Snapshot) AddHandler(h *Handler) {
	key := HandlerKey{h.Relation, strings.ToLower(h.MediaType)}
	s.Handlers[key] = append(s.Handlers[key], h)
}

func (l *loader) readHandlers(s *Snapshot, schemas []string) {
	var found []*Handler
	for _, r := range l.raw[handlersSQL] {
		if name := string(r[0]); IsMediaType(name) {
			found = append(found, &Handler{MediaType: name, Aggregate: Name{string(r[1]), string(r[2])}, Relation: Name{string(r[4]), string(r[5])}})
		}
	}
	// the schema that is exposed first comes first
	slices.SortStableFunc(found, func(a, b *Handler) int {
		return slices.Index(schemas, a.Aggregate.Schema) - slices.Index(schemas, b.Aggregate.Schema)
	})
	for _, h := range found {
		s.AddHandler(h)
	}
}
