package hook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// requiredClaims and claimTypes are what every access token must have and what
// its claims must be.
var (
	requiredClaims = []string{"aud", "exp", "iat", "sub", "email", "phone", "role", "aal", "session_id", "is_anonymous"}

	claimTypes = []struct {
		name  string
		types []string
	}{
		{"aud", []string{"string", "array"}}, {"exp", []string{"integer"}}, {"jti", []string{"string"}}, {"iat", []string{"integer"}},
		{"iss", []string{"string"}}, {"nbf", []string{"integer"}}, {"sub", []string{"string"}}, {"email", []string{"string"}},
		{"phone", []string{"string"}}, {"app_metadata", []string{"object"}}, {"user_metadata", []string{"object"}}, {"role", []string{"string"}},
		{"aal", []string{"string"}}, {"amr", []string{"array"}}, {"session_id", []string{"string"}}, {"client_id", []string{"string"}},
	}
)

// Claims reads the claims of a custom access token out of a hook's answer and
// checks that a token can be made of them.
func Claims(answer []byte) (map[string]any, error) {
	failed := func(message string) error {
		return &Error{Status: http.StatusInternalServerError, Message: message}
	}
	if len(answer) == 0 {
		return nil, failed(nonconforming([]string{"(root): Invalid type. Expected: object, given: null"}))
	}
	var a map[string]json.RawMessage
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, &Error{Status: http.StatusInternalServerError, Message: "Error unmarshaling JSON output.", Cause: err}
	}
	raw, ok := a["claims"]
	if !ok {
		return nil, failed("output claims field is missing")
	}
	var claims map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil {
		return nil, &Error{Status: http.StatusInternalServerError, Message: "Error unmarshaling JSON output.", Cause: err}
	}
	if wrong := judge(claims); len(wrong) > 0 {
		return nil, failed(nonconforming(wrong))
	}
	for k, v := range claims {
		claims[k] = plain(v)
	}
	return claims, nil
}

func nonconforming(wrong []string) string {
	return "output claims do not conform to the expected schema: \n- " + strings.Join(wrong, "\n- ") + "\n"
}

// judge lists what is wrong with the claims.
func judge(claims map[string]any) (wrong []string) {
	if claims == nil {
		return []string{"(root): Invalid type. Expected: object, given: null"}
	}
	for _, name := range requiredClaims {
		if _, ok := claims[name]; !ok {
			wrong = append(wrong, "(root): "+name+" is required")
		}
	}
	for _, c := range claimTypes {
		v, ok := claims[c.name]
		if !ok {
			continue
		}
		if !isOf(v, c.types) {
			wrong = append(wrong, fmt.Sprintf("%s: Invalid type. Expected: %s, given: %s", c.name, oneOf(c.types), typeOf(v)))
			continue
		}
		if c.name != "amr" {
			continue
		}
		for i, entry := range v.([]any) {
			if !isOf(entry, []string{"string", "object"}) {
				wrong = append(wrong, fmt.Sprintf("amr.%d: Must validate at least one schema (anyOf)", i),
					fmt.Sprintf("amr.%d: Invalid type. Expected: string, given: %s", i, typeOf(entry)))
			}
		}
	}
	return wrong
}

func isOf(v any, types []string) bool {
	t := typeOf(v)
	for _, want := range types {
		if t == want {
			return true
		}
	}
	return false
}

func oneOf(types []string) string {
	if len(types) == 1 {
		return types[0]
	}
	return "[" + strings.Join(types, ",") + "]"
}

// typeOf names the type of a JSON value; 1.0 is an integer.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case json.Number:
		if _, ok := integer(v); ok {
			return "integer"
		}
		return "number"
	default:
		return "object"
	}
}

// integer is a number without point and exponent, when it is whole.
func integer(n json.Number) (json.Number, bool) {
	if !strings.ContainsAny(n.String(), ".eE") {
		return n, true
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<62 {
		return "", false
	}
	return json.Number(strconv.FormatInt(int64(f), 10)), true
}

// plain writes whole numbers without a point or exponent, as readers of tokens
// expect of times.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, ok := integer(v); ok {
			return i
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}
