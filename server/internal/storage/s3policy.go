package storage

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// policy is the document that a form's signature is made for.
type policy struct {
	Expiration string            `json:"expiration"`
	Conditions []json.RawMessage `json:"conditions"`
}

// unconditioned are fields that no condition needs to cover.
var unconditioned = map[string]bool{
	"policy": true, "x-amz-signature": true, "x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true,
	"x-amz-security-token": true,
}

// checkPolicy judges the fields of a form, named in lower case, by the policy
// among them: every field must be covered by a condition and fit it.
func (c *call) checkPolicy(sent map[string]string) error {
	raw, err := base64.StdEncoding.DecodeString(sent["policy"])
	var p policy
	if err != nil || json.Unmarshal(raw, &p) != nil {
		return errSignature("Invalid POST policy")
	}
	if p.Expiration == "" {
		return errSignature("Missing policy expiration")
	}
	until, err := time.Parse(time.RFC3339, p.Expiration)
	if err != nil {
		return errSignature("Invalid policy expiration")
	}
	if until.Before(c.h.now()) {
		return errExpiredToken()
	}
	if p.Conditions == nil {
		return errSignature("Invalid policy conditions")
	}
	fields := map[string]string{}
	for name, value := range sent {
		fields[name] = value
	}
	fields["bucket"] = c.bucket
	covered := map[string]bool{}
	for _, raw := range p.Conditions {
		field, err := c.checkCondition(raw, fields)
		if err != nil {
			return err
		}
		covered[field] = true
	}
	for name := range fields {
		if !covered[name] && !unconditioned[name] && !strings.HasPrefix(name, "x-ignore-") {
			return errAccessDenied(`Policy condition failed: field "` + name + `" is not covered by the policy`)
		}
	}
	return nil
}

// checkCondition judges one condition and returns the field that it covers:
// {"field": "value"}, ["eq" or "starts-with", "$field", "value"] or
// ["content-length-range", min, max].
func (c *call) checkCondition(raw json.RawMessage, fields map[string]string) (string, error) {
	var exact map[string]any
	if json.Unmarshal(raw, &exact) == nil {
		for name, value := range exact {
			if len(exact) == 1 {
				return checkField(name, "eq", fmt.Sprint(value), fields)
			}
		}
		return "", errSignature("Invalid policy condition")
	}
	var tuple []any
	if json.Unmarshal(raw, &tuple) != nil || len(tuple) != 3 {
		return "", errSignature("Unsupported policy condition")
	}
	operator, _ := tuple[0].(string)
	if operator == "content-length-range" {
		least, ok1 := tuple[1].(float64)
		most, ok2 := tuple[2].(float64)
		if !ok1 || !ok2 {
			return "", errSignature("Invalid policy condition")
		}
		c.formLength = &lengthRange{int64(least), int64(most)}
		return "", nil
	}
	target, _ := tuple[1].(string)
	if operator != "eq" && operator != "starts-with" || target == "" {
		return "", errSignature("Unsupported policy condition")
	}
	name, ok := strings.CutPrefix(target, "$")
	if !ok {
		return "", errSignature("Invalid policy condition")
	}
	return checkField(name, operator, fmt.Sprint(tuple[2]), fields)
}

// lengthRange is how many bytes a form's file may have.
type lengthRange struct{ least, most int64 }

func checkField(name, operator, want string, fields map[string]string) (string, error) {
	name = strings.ToLower(name)
	value, ok := fields[name]
	switch {
	case operator == "eq" && (!ok || value != want):
		return "", errAccessDenied(`Policy condition failed: "` + name + `" does not match`)
	case operator == "starts-with" && (!ok || !strings.HasPrefix(value, want)):
		return "", errAccessDenied(`Policy condition failed: "` + name + `" does not start with "` + want + `"`)
	}
	return name, nil
}
