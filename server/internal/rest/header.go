package rest

import (
	"net/http"
	"slices"
)

// headers are the headers of an answer, by their canonical names. The few that
// there are stand in one piece of memory.
type headers struct {
	list []header
	room [8]header
}

type header struct{ name, value string }

// Get is the first value of a header.
func (h *headers) Get(name string) string {
	for i := range h.list {
		if h.list[i].name == name {
			return h.list[i].value
		}
	}
	return ""
}

// Values are all values of a header.
func (h *headers) Values(name string) []string {
	var out []string
	for _, x := range h.list {
		if x.name == name {
			out = append(out, x.value)
		}
	}
	return out
}

// Set gives a header one value.
func (h *headers) Set(name, value string) {
	for i := range h.list {
		if h.list[i].name == name {
			h.list[i].value = value
			return
		}
	}
	h.Add(name, value)
}

// Add gives a header a further value.
func (h *headers) Add(name, value string) {
	if h.list == nil {
		h.list = h.room[:0]
	}
	h.list = append(h.list, header{name, value})
}

// Del removes a header.
func (h *headers) Del(name string) {
	h.list = slices.DeleteFunc(h.list, func(x header) bool { return x.name == name })
}

// writeTo lays the headers over those of to.
func (h *headers) writeTo(to http.Header) {
	values := make([]string, len(h.list))
	for i, x := range h.list {
		values[i] = x.value
		if slices.ContainsFunc(h.list[:i], func(before header) bool { return before.name == x.name }) {
			to[x.name] = append(to[x.name], x.value)
		} else {
			to[x.name] = values[i : i+1 : i+1]
		}
	}
}
