package rest

import (
	"fmt"
	"net/http"
)

// maxHeaders bounds the headers of a request: what SQL can read of them is
// made anew for each request.
const maxHeaders = 64 << 10

func checkHeaders(h http.Header) error {
	size := 0
	for name, values := range h {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	if size <= maxHeaders {
		return nil
	}
	return &Error{Code: "PGRST100", Status: http.StatusRequestHeaderFieldsTooLarge, Message: "The request headers are too large",
		Details: fmt.Sprintf("At most %d bytes of headers are accepted.", maxHeaders), Hint: "Send fewer or shorter cookies and headers."}
}
