package request

import (
	"fmt"
	"net/http"
	"strings"
)

// Error is a refusal in the shape of the REST dialect: a code, a status and
// the four members of its body. Every stage of the engine returns it.
type Error struct {
	Code    string
	Status  int
	Message string
	// Details is shown as it is encoded by encoding/json; nil shows null.
	Details any
	// Hint is null when empty.
	Hint string
	// Header holds additional headers of the answer.
	Header http.Header
	// Cause is the error behind a failure of the server; it goes to the log, never to the client.
	Cause error
}

// Error returns code and message on one line.
func (e *Error) Error() string {
	if e.Details != nil {
		return fmt.Sprintf("%s: %s (%v)", e.Code, e.Message, e.Details)
	}
	return e.Code + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func invalidPath() *Error {
	return &Error{Code: "PGRST125", Status: http.StatusNotFound, Message: "Invalid path specified in request URL"}
}

func unsupportedMethod(method string) *Error {
	return &Error{Code: "PGRST117", Status: http.StatusMethodNotAllowed, Message: "Unsupported HTTP method: " + method}
}

func unsupportedFunctionMethod(method string) *Error {
	return &Error{Code: "PGRST101", Status: http.StatusMethodNotAllowed, Message: "Cannot use the " + method + " method on RPC"}
}

func unknownSchema(schema string, exposed []string) *Error {
	return &Error{Code: "PGRST106", Status: http.StatusNotAcceptable, Message: "Invalid schema: " + schema,
		Hint: "Only the following schemas are exposed: " + strings.Join(exposed, ", ")}
}

func invalidRange(details string) *Error {
	return &Error{Code: "PGRST103", Status: http.StatusRequestedRangeNotSatisfiable,
		Message: "Requested range not satisfiable", Details: details}
}

func invalidBody(message string) *Error {
	return &Error{Code: "PGRST102", Status: http.StatusBadRequest, Message: message}
}

// BodyTooLarge says that a body is longer than limit bytes.
func BodyTooLarge(limit int64) *Error {
	return &Error{Code: "PGRST102", Status: http.StatusRequestEntityTooLarge, Message: "The request body is too large",
		Details: fmt.Sprintf("At most %d bytes are accepted.", limit), Hint: "Split the rows over several requests."}
}

// parseError is the error of a text that does not follow the grammar. The
// quotes around the first part are a part of the message.
func parseError(what, text string, line, column int, details string) *Error {
	return &Error{Code: "PGRST100", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("\"failed to parse %s (%s)\" (line %d, column %d)", what, text, line, column),
		Details: details}
}

func tooMany(what string, limit int) *Error {
	return &Error{Code: "PGRST100", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("The request has more than %d %s", limit, what),
		Hint:    "Split the work over several requests."}
}
