package plan

import (
	"bytes"
	"hash/maphash"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/suparust/suparust/server/internal/catalog"
	"github.com/suparust/suparust/server/internal/rest/request"
	"github.com/suparust/suparust/server/internal/rest/sqlast"
)

// Cache parses and plans requests over one snapshot and remembers the plans of
// shapes that come again: of a request like one before, only the values are
// read. What it gives is what parsing and planning anew would give.
//
// That a plan holds the values of its request in known places of its
// parameters, and nowhere else, is not assumed but found out when a shape is
// learnt: it is planned a second time with other values, and only where the
// two plans differ in nothing but these parameters the shape is kept.
type Cache struct {
	parse request.Options
	snap  *catalog.Snapshot
	opt   Options

	mu         sync.RWMutex
	young, old map[string]*entry
	size       int // of young

	seed maphash.Seed
	seen [2048]atomic.Uint64 // hashes of shapes that came once
}

// Bounds of a generation of the cache, and of a statement in it.
const (
	maxEntries   = 512
	maxCacheSize = 2 << 20
	maxCachedSQL = 16 << 10
)

// entry is a remembered shape.
type entry struct {
	request   *request.Request // without its values; nil for a write, which is parsed anew
	canonical request.Canonical
	plan      *Plan
	params    []binding // one for each of the plan's statements
}

// binding says where each parameter of a statement comes from.
type binding struct {
	constant [][]byte
	from     []int // a slot, or one of the following
}

const (
	fromConstant = -1
	fromBody     = -2
)

// NewCache plans over s.
func NewCache(s *catalog.Snapshot, parse request.Options, o Options) *Cache {
	return &Cache{parse: parse, snap: s, opt: o, young: map[string]*entry{}, seed: maphash.MakeSeed()}
}

var shapes = sync.Pool{New: func() any { return new(request.Shape) }}

// Prepare parses a request and plans it; body reads its body into it
// where it takes one. The plan is nil for the root and for OPTIONS, which are answered
// without one.
func (c *Cache) Prepare(method, escapedPath, rawQuery string, h http.Header, body func(*request.Request) error) (*request.Request, *Plan, error) {
	s := shapes.Get().(*request.Shape)
	defer shapes.Put(s)
	shaped := s.ShapeOf(method, escapedPath, rawQuery, h)
	if shaped {
		if e := c.get(s.Key); e != nil && e.request != nil {
			if r, p, ok := e.bind(s.Slots); ok {
				return r, p, nil
			}
		}
	}
	h = request.ShapeHeaders(h)
	r, rerr := request.Parse(method, escapedPath, rawQuery, h, c.parse)
	if rerr != nil {
		return nil, nil, rerr
	}
	if r.TakesBody() {
		if err := body(r); err != nil {
			return nil, nil, err
		}
		if shaped = shaped && appendPayload(s, r.Payload); shaped {
			if e := c.get(s.Key); e != nil {
				if p, ok := e.rebind(s.Slots, r.Payload.JSON); ok {
					return r, p, nil
				}
			}
		}
	}
	if r.Method == http.MethodOptions || r.Resource == request.Root {
		return r, nil, nil
	}
	p, rerr := Make(r, c.snap, c.opt)
	if rerr != nil {
		return nil, nil, rerr
	}
	if shaped && c.again(s.Key) {
		if e := c.learn(s, rawQuery, h, r, p); e != nil {
			c.put(string(s.Key), e)
		}
	}
	return r, p, nil
}

// appendPayload adds to the key what a plan depends on of a body: everything
// but its bytes.
func appendPayload(s *request.Shape, p *request.Payload) bool {
	if p.Raw || p.Uneven || p.Fields != nil || len(p.JSON) == 0 {
		return false
	}
	s.Key = append(s.Key, 3)
	s.Key = strconv.AppendBool(s.Key, p.Array)
	s.Key = append(append(s.Key, p.Media...), 0)
	for _, k := range p.Keys {
		s.Key = strconv.AppendInt(s.Key, int64(len(k)), 10)
		s.Key = append(append(s.Key, ':'), k...)
	}
	return len(s.Key) <= request.MaxShapeBytes
}

// again is true when the shape has come before. One that comes once is not
// worth its learning.
func (c *Cache) again(key []byte) bool {
	sum := maphash.Bytes(c.seed, key) | 1
	slot := &c.seen[sum>>32%uint64(len(c.seen))]
	return slot.Swap(sum) == sum
}

func (c *Cache) get(key []byte) *entry {
	c.mu.RLock()
	e, ok := c.young[string(key)]
	if !ok {
		e = c.old[string(key)]
	}
	c.mu.RUnlock()
	if !ok && e != nil {
		c.put(string(key), e)
	}
	return e
}

// put keeps an entry among the young ones. When there are too many of them
// they become the old ones, and what was old and not used since goes.
func (c *Cache) put(key string, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.young[key]; ok {
		return
	}
	size := len(key) + 1024
	for _, st := range e.plan.statements() {
		size += len(st.SQL)
	}
	if len(c.young) >= maxEntries || c.size+size > maxCacheSize {
		c.old, c.young, c.size = c.young, map[string]*entry{}, 0
	}
	c.young[key] = e
	c.size += size
}

// learn plans the request with other values and finds out where a plan has
// them; nil when it cannot tell.
func (c *Cache) learn(s *request.Shape, rawQuery string, h http.Header, r *request.Request, p *Plan) *entry {
	query, ok := s.SampleQuery(r.Method, r.Path, rawQuery)
	if !ok {
		return nil
	}
	other, err := request.Parse(r.Method, r.Path, query, h, c.parse)
	if err != nil {
		return nil
	}
	samples := make([]request.Slot, len(s.Slots))
	for i, slot := range s.Slots {
		samples[i] = request.Slot{Kind: slot.Kind, Text: slot.Sample(i)}
	}
	var body, sample []byte
	if r.Payload != nil {
		payload := *r.Payload
		body, sample = payload.JSON, []byte(`"zQbodyQz"`)
		payload.JSON = sample
		other.Payload = &payload
	}
	second, err := Make(other, c.snap, c.opt)
	if err != nil {
		return nil
	}
	e := &entry{}
	mine, theirs := p.statements(), second.statements()
	for i, st := range mine {
		b, ok := bindingOf(*st, *theirs[i], s.Slots, samples, body, sample)
		if !ok || len(st.SQL) > maxCachedSQL {
			return nil
		}
		e.params = append(e.params, b)
	}
	e.plan = p.withoutParams()
	if !reflect.DeepEqual(e.plan, second.withoutParams()) {
		return nil
	}
	if r.Payload != nil {
		return e
	}
	if e.canonical, ok = s.CanonicalOf(other.Query.Canonical); !ok || e.canonical.With(s.Slots) != r.Query.Canonical {
		return nil
	}
	e.request = withoutValues(r)
	if !reflect.DeepEqual(e.request, withoutValues(other)) {
		return nil
	}
	return e
}

// statements are all that hold values of the request.
func (p *Plan) statements() []*sqlast.Statement { return []*sqlast.Statement{&p.Main, &p.Estimate} }

func (p *Plan) withoutParams() *Plan {
	q := *p
	for _, st := range q.statements() {
		st.Params = nil
	}
	return &q
}

// withoutValues is the request as a cache may keep it: its filters were used
// up by planning.
func withoutValues(r *request.Request) *request.Request {
	out, query := *r, *r.Query
	query.Filters, query.Arguments, query.Canonical = nil, nil, ""
	out.Query = &query
	return &out
}

// bindingOf compares a statement with the same one for other values.
func bindingOf(a, b sqlast.Statement, slots, samples []request.Slot, body, sample []byte) (binding, bool) {
	if a.SQL != b.SQL || len(a.Params) != len(b.Params) {
		return binding{}, false
	}
	out := binding{constant: make([][]byte, len(a.Params)), from: make([]int, len(a.Params))}
	for i, v := range a.Params {
		w := b.Params[i]
		out.from[i] = fromConstant
		if body != nil && bytes.Equal(v, body) && bytes.Equal(w, sample) {
			out.from[i] = fromBody
			continue
		}
		for k := range slots {
			mine, ok := slotParam(slots[k])
			if theirs, ok2 := slotParam(samples[k]); ok && ok2 && bytes.Equal(w, theirs) && bytes.Equal(v, mine) {
				out.from[i] = k
				break
			}
		}
		if out.from[i] == fromConstant {
			if (v == nil) != (w == nil) || !bytes.Equal(v, w) {
				return binding{}, false
			}
			out.constant[i] = v
		}
	}
	return out, true
}

// slotParam is the parameter that a value becomes.
func slotParam(s request.Slot) ([]byte, bool) {
	switch s.Kind {
	case request.SlotPattern:
		return []byte(strings.ReplaceAll(s.Text, "*", "%")), true
	case request.SlotList:
		elements, ok := s.List()
		return []byte(catalog.ArrayLiteral(elements)), ok
	default:
		return []byte(s.Text), true
	}
}

// hit is what a request of a known shape needs, in one piece.
type hit struct {
	request request.Request
	query   request.Query
	plan    Plan
}

func (e *entry) bind(slots []request.Slot) (*request.Request, *Plan, bool) {
	h := &hit{request: *e.request, query: *e.request.Query, plan: *e.plan}
	h.query.Canonical = e.canonical.With(slots)
	h.request.Query = &h.query
	if !e.fill(&h.plan, slots, nil) {
		return nil, nil, false
	}
	return &h.request, &h.plan, true
}

func (e *entry) rebind(slots []request.Slot, body []byte) (*Plan, bool) {
	p := *e.plan
	return &p, e.fill(&p, slots, body)
}

// fill puts the values into the statements.
func (e *entry) fill(p *Plan, slots []request.Slot, body []byte) bool {
	for i, st := range p.statements() {
		b := &e.params[i]
		if len(b.from) == 0 {
			continue
		}
		st.Params = make([][]byte, len(b.from))
		for k, from := range b.from {
			switch from {
			case fromConstant:
				st.Params[k] = b.constant[k]
			case fromBody:
				st.Params[k] = body
			default:
				v, ok := slotParam(slots[from])
				if !ok {
					return false
				}
				st.Params[k] = v
			}
		}
	}
	return true
}
