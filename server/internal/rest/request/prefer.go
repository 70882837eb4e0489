package request

import (
	"net/http"
	"strconv"
	"strings"
)

// Resolution of duplicates on insert.
type Resolution uint8

// Return is what a write answers with.
type Return uint8

// CountKind is how the total is found.
type CountKind uint8

// Missing is the value of absent payload members.
type Missing uint8

// Handling of unknown preferences.
type Handling uint8

// TxEnd is how the transaction of the request ends.
type TxEnd uint8

// The preferences; zero means that none was given.
const (
	MergeDuplicates Resolution = iota + 1
	IgnoreDuplicates
)

// Kinds of return.
const (
	ReturnMinimal Return = iota + 1
	ReturnHeaders
	ReturnRepresentation
)

// Kinds of count.
const (
	CountExact CountKind = iota + 1
	CountPlanned
	CountEstimated
)

// Values for absent members.
const (
	MissingDefault Missing = iota + 1
	MissingNull
)

// Kinds of handling.
const (
	Strict Handling = iota + 1
	Lenient
)

// Ends of a transaction.
const (
	TxCommit TxEnd = iota + 1
	TxRollback
)

var (
	resolutionText = [...]string{"", "resolution=merge-duplicates", "resolution=ignore-duplicates"}
	returnText     = [...]string{"", "return=minimal", "return=headers-only", "return=representation"}
	countText      = [...]string{"", "count=exact", "count=planned", "count=estimated"}
	missingText    = [...]string{"", "missing=default", "missing=null"}
	handlingText   = [...]string{"", "handling=strict", "handling=lenient"}
	txText         = [...]string{"", "tx=commit", "tx=rollback"}
)

// String is the preference as it is written in a header.
func (r Resolution) String() string { return resolutionText[r] }

// String is the preference as it is written in a header.
func (r Return) String() string { return returnText[r] }

// String is the preference as it is written in a header.
func (c CountKind) String() string { return countText[c] }

// String is the preference as it is written in a header.
func (m Missing) String() string { return missingText[m] }

// String is the preference as it is written in a header.
func (h Handling) String() string { return handlingText[h] }

// String is the preference as it is written in a header.
func (t TxEnd) String() string { return txText[t] }

// Preferences are the items of the Prefer headers.
type Preferences struct {
	Resolution     Resolution
	Return         Return
	Count          CountKind
	Missing        Missing
	Handling       Handling
	Tx             TxEnd
	Timezone       string
	MaxAffected    int64
	HasMaxAffected bool
	// Unknown lists the items that mean nothing to the engine.
	Unknown []string
}

// None is true when no preference with a meaning was given.
func (p *Preferences) None() bool {
	return p.Resolution == 0 && p.Return == 0 && p.Count == 0 && p.Missing == 0 && p.Handling == 0 && p.Tx == 0 &&
		p.Timezone == "" && !p.HasMaxAffected
}

// ParsePreferences reads the Prefer headers; the first item of each kind
// wins. tx items count only when allowTx is set.
func ParsePreferences(h http.Header, allowTx bool) (Preferences, *Error) {
	var p Preferences
	items := 0
	for _, line := range h.Values("Prefer") {
		for item := range strings.SplitSeq(line, ",") {
			item = strings.TrimSpace(item)
			if items++; items > MaxPreferences {
				return p, tooMany("preferences", MaxPreferences)
			}
			if !p.set(item, allowTx) {
				p.Unknown = append(p.Unknown, item)
			}
		}
	}
	return p, nil
}

func (p *Preferences) set(item string, allowTx bool) bool {
	switch {
	case pick(&p.Resolution, item, resolutionText[:]),
		pick(&p.Return, item, returnText[:]),
		pick(&p.Count, item, countText[:]),
		pick(&p.Missing, item, missingText[:]),
		pick(&p.Handling, item, handlingText[:]):
		return true
	}
	var tx TxEnd
	if pick(&tx, item, txText[:]) {
		if allowTx && p.Tx == 0 {
			p.Tx = tx
		}
		return true
	}
	if tz, ok := strings.CutPrefix(item, "timezone="); ok {
		if p.Timezone == "" {
			p.Timezone = tz
		}
		return true
	}
	if n, ok := strings.CutPrefix(item, "max-affected="); ok {
		if v, err := strconv.ParseInt(n, 10, 64); err == nil && !p.HasMaxAffected {
			p.MaxAffected, p.HasMaxAffected = v, true
		}
		return true
	}
	return false
}

func pick[T ~uint8](slot *T, item string, texts []string) bool {
	for i, text := range texts {
		if i > 0 && item == text {
			if *slot == 0 {
				*slot = T(i)
			}
			return true
		}
	}
	return false
}
