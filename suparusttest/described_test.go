package suparusttest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/suparust/suparust/suparusttest"
)

// described is the control API's description of itself.
type described struct {
	t     *testing.T
	Paths map[string]map[string]struct {
		RequestBody describedContent
		Responses   map[string]describedContent
	}
	Components struct {
		Schemas   map[string]map[string]any
		Responses map[string]describedContent
	}
}

// describedContent is a body, by its type.
type describedContent struct {
	Ref     string `json:"$ref"` // where it is described
	Content map[string]struct{ Schema map[string]any }
}

// schema is that of the body, nil for none.
func (d *described) schema(c describedContent) map[string]any {
	if c.Ref != "" {
		c = d.Components.Responses[strings.TrimPrefix(c.Ref, "#/components/responses/")]
	}
	return d.resolve(c.Content["application/json"].Schema)
}

// resolve is what a schema refers to.
func (d *described) resolve(schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		return d.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
	}
	return schema
}

// check validates an answer against the schema of an operation.
func (d *described) check(method, path string, r *suparusttest.Response) {
	d.t.Helper()
	op, ok := d.Paths[path][strings.ToLower(method)]
	if !ok {
		d.t.Fatalf("%s %s is not described", method, path)
	}
	response, ok := op.Responses[fmt.Sprint(r.Status)]
	if !ok {
		if r.Status < 400 {
			d.t.Fatalf("%s %s: %d is not described", method, path, r.Status)
		}
		response = op.Responses["default"]
	}
	schema := d.schema(response)
	if schema == nil {
		if len(r.Body) != 0 {
			d.t.Errorf("%s %s: a body where none is described: %s", method, path, r.Body)
		}
		return
	}
	var v any
	if err := json.Unmarshal(r.Body, &v); err != nil {
		d.t.Fatalf("%s %s: %v in %s", method, path, err, r.Body)
	}
	if wrong := d.wrong(schema, v, "answer"); wrong != "" {
		d.t.Errorf("%s %s: %s: %s", method, path, wrong, r.Body)
	}
}

// wrong says how v is not what the schema describes.
func (d *described) wrong(schema map[string]any, v any, at string) string {
	schema = d.resolve(schema)
	ok := true
	switch schema["type"] {
	case "string":
		_, ok = v.(string)
	case "integer":
		var n float64
		n, ok = v.(float64)
		ok = ok && n == float64(int64(n))
	case "boolean":
		_, ok = v.(bool)
	case "array":
		list, isList := v.([]any)
		ok = isList
		for i, x := range list {
			if wrong := d.wrong(schema["items"].(map[string]any), x, fmt.Sprintf("%s[%d]", at, i)); wrong != "" {
				return wrong
			}
		}
	case "object":
		object, isObject := v.(map[string]any)
		ok = isObject
		props, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, has := object[name.(string)]; !has {
				return at + " has no " + name.(string)
			}
		}
		for name, x := range object {
			prop, has := props[name].(map[string]any)
			if !has {
				if schema["additionalProperties"] == false {
					return at + " has " + name + ", which is not described"
				}
				continue
			}
			if wrong := d.wrong(prop, x, at+"."+name); wrong != "" {
				return wrong
			}
		}
	}
	if !ok {
		return fmt.Sprintf("%s is no %v", at, schema["type"])
	}
	if enum, has := schema["enum"].([]any); has && !slices.Contains(enum, v) {
		return fmt.Sprintf("%s is none of %v", at, enum)
	}
	return ""
}

// TestControlServesWhatItDescribes: every operation of the description is there,
// and takes the fields that it describes, of the types that it describes, and no
// others. That nothing else is there is TestDescribed's of the package control.
func TestControlServesWhatItDescribes(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject())
	c := srv.Control(t)
	d := &described{t: t}
	c.Get(t, "/openapi.json").WantStatus(t, http.StatusOK).JSON(t, d)
	wrongFor := map[any]any{"string": 5, "integer": "x", "boolean": "x", "object": "x"}
	for path, operations := range d.Paths {
		target := strings.NewReplacer("{id}", "none", "{name}", "none").Replace(path)
		for method, op := range operations {
			method = strings.ToUpper(method)
			refuses := func(body any, names string) {
				t.Helper()
				r := c.Do(t, method, target, body, nil).WantStatus(t, http.StatusBadRequest)
				if d.check(method, path, r); !strings.Contains(string(r.Body), names) {
					t.Errorf("%s %s with %v says %s, not what is wrong with %s", method, path, body, r.Body, names)
				}
			}
			schema := d.schema(op.RequestBody)
			if schema == nil {
				r := c.Do(t, method, target, nil, nil)
				if d.check(method, path, r); strings.Contains(string(r.Body), "none of the control API's operations") {
					t.Errorf("%s %s is not served", method, path)
				}
				continue
			}
			refuses("[]", "such as {")
			refuses(map[string]any{"nobody_knows": 1}, "nobody_knows")
			for name, property := range schema["properties"].(map[string]any) {
				if wrong, ok := wrongFor[d.resolve(property.(map[string]any))["type"]]; ok {
					refuses(map[string]any{name: wrong}, name)
				}
			}
		}
	}
}
