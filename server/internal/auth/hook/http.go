package hook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server/internal/httpx"
)

// newClient makes the way to an HTTP hook. It follows no redirects: what is
// signed is for the address that is configured.
func newClient(via http.RoundTripper) *http.Client {
	if via == nil {
		via = httpx.NewTransport()
	}
	return &http.Client{
		Transport:     via,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close gives up the connections that are kept.
func (h *Hook) Close() {
	if h != nil && h.client != nil {
		h.client.CloseIdleConnections()
	}
}

// Post sends what the hook is asked and returns its answer, nil when there is
// none. Receivers compare the time of the signature with their own clock, so it
// is the real one.
func (h *Hook) Post(ctx context.Context, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	for attempt := range httpAttempts {
		answer, again, err := h.attempt(ctx, payload, attempt)
		if !again {
			return answer, err
		}
	}
	return nil, unavailable()
}

func unavailable() *Error {
	return &Error{Status: http.StatusInternalServerError, Message: "Service currently unavailable due to hook"}
}

func (h *Hook) tooLate(cause error) *Error {
	return &Error{Status: http.StatusUnprocessableEntity, Code: "hook_timeout", Cause: cause,
		Message: fmt.Sprintf("Failed to reach hook within maximum time of %f seconds", h.timeout.Seconds())}
}

// attempt asks once; again says that it is worth another try.
func (h *Hook) attempt(ctx context.Context, payload []byte, n int) (answer []byte, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.address, bytes.NewReader(payload))
	if err != nil {
		return nil, false, &Error{Status: http.StatusInternalServerError, Message: "Hook failed to make request object", Cause: err}
	}
	id, now := uuid.NewString(), time.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Webhook-Signature", h.signatures(id, now, payload))
	res, err := h.client.Do(req)
	if err != nil {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return nil, false, h.tooLate(err)
		case errors.Is(err, context.Canceled):
			return nil, false, err
		case n == httpAttempts-1:
			return nil, false, &Error{Status: http.StatusUnprocessableEntity, Code: "hook_timeout_after_retry",
				Message: "Failed to reach hook after maximum retries", Cause: err}
		}
		pause := time.NewTimer(h.backoff)
		defer pause.Stop()
		select {
		case <-pause.C:
			return nil, true, nil
		case <-ctx.Done():
			return nil, false, h.tooLate(err)
		}
	}
	defer res.Body.Close()
	answer, again, err = readAnswer(res)
	if errors.Is(err, context.DeadlineExceeded) {
		err = h.tooLate(err)
	}
	return answer, again, err
}

// signatures are those of every secret, as receivers part them.
func (h *Hook) signatures(id string, now time.Time, payload []byte) string {
	list := make([]string, len(h.keys))
	for i, key := range h.keys {
		m := hmac.New(sha256.New, key)
		fmt.Fprintf(m, "%s.%d.", id, now.Unix())
		m.Write(payload)
		list[i] = "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	return strings.Join(list, ", ")
}

func readAnswer(res *http.Response) (answer []byte, again bool, err error) {
	failed := func(message string) (answer []byte, again bool, err error) {
		return nil, false, &Error{Status: http.StatusInternalServerError, Message: message}
	}
	switch res.StatusCode {
	case http.StatusNoContent:
		return nil, false, nil
	case http.StatusOK, http.StatusAccepted:
		if err := checkType(res.Header.Get("Content-Type")); err != nil {
			return nil, false, err
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
		switch {
		case err != nil:
			return nil, false, err
		case len(body) > maxAnswer:
			return nil, false, &Error{Status: http.StatusUnprocessableEntity, Code: "hook_payload_over_size_limit",
				Message: fmt.Sprintf("Payload size exceeded size limit of %d bytes", maxAnswer)}
		}
		return body, false, nil
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if res.Header.Get("Retry-After") != "" {
			return nil, true, nil
		}
		return nil, false, unavailable()
	case http.StatusBadRequest:
		return failed("Invalid payload sent to hook")
	case http.StatusUnauthorized:
		return failed("Hook requires authorization token")
	default:
		return failed(fmt.Sprintf("Unexpected status code returned from hook: %d", res.StatusCode))
	}
}

func checkType(contentType string) error {
	var why string
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "":
		why = "Invalid Content-Type: Missing Content-Type header"
	case err != nil:
		why = "Invalid Content-Type header: " + err.Error()
	case media != "application/json":
		why = "Invalid JSON response. Received content-type: " + contentType
	default:
		return nil
	}
	return &Error{Status: http.StatusBadRequest, Code: "hook_payload_invalid_content_type", Message: why}
}
