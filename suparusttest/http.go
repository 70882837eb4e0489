package suparusttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/suparust/suparust/server"
)

// WithHTTP has answer be everyone whom the server asks by HTTP: hooks, sign-in
// providers, captcha, senders of texts, and whom SQL asks through pg_net and
// database webhooks. Where it returns nil the request goes out to the network.
// It is called by several requests at once. Sign-in providers are stood in for
// without it, unless Config.Auth.OAuth.Fake is FakeOAuthOff.
//
//	suparusttest.WithHTTP(func(r *http.Request) *http.Response {
//		return suparusttest.Answer(http.StatusOK, map[string]any{"success": true})
//	})
func WithHTTP(answer func(*http.Request) *http.Response) Option {
	return WithConfig(func(c *server.Config) { c.HTTP = &answering{answer: answer, network: http.DefaultTransport} })
}

// answering asks a function before the network.
type answering struct {
	answer  func(*http.Request) *http.Response
	network http.RoundTripper
}

// RoundTrip answers the request.
func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := a.ask(r)
	if err != nil {
		return nil, err
	}
	if res == nil {
		return a.network.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close() // whatever is left of it was not wanted
	}
	if res.StatusCode == 0 {
		res.StatusCode = http.StatusOK
	}
	if res.Status == "" {
		res.Status = fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	if res.Header == nil {
		res.Header = http.Header{}
	}
	if res.Body == nil {
		res.Body = http.NoBody
	}
	if res.ProtoMajor == 0 {
		res.Proto, res.ProtoMajor, res.ProtoMinor = "HTTP/1.1", 1, 1
	}
	res.Request = r
	return res, nil
}

// ask calls the function and waits no longer for it than who asks.
func (a *answering) ask(r *http.Request) (*http.Response, error) {
	type outcome struct {
		res      *http.Response
		returned bool
		panicked any
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if !o.returned {
				o.panicked = recover()
			}
			done <- o
		}()
		o.res = a.answer(r) //nolint:bodyclose // who asks closes it
		o.returned = true
	}()
	select {
	case o := <-done:
		switch {
		case o.panicked != nil:
			panic(o.panicked)
		case !o.returned:
			return nil, errors.New("the function of WithHTTP ended its goroutine: call Error there, not Fatal")
		}
		return o.res, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// Answer is a response for WithHTTP. A body that is a string or []byte is sent
// as it is, anything else as JSON.
func Answer(status int, body any) *http.Response {
	var text []byte
	head := http.Header{"Content-Type": {"application/json"}}
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	case []byte:
		text = b
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			panic(fmt.Sprintf("suparusttest: the body of an answer: %v", err))
		}
	}
	return &http.Response{StatusCode: status, Header: head, Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text))}
}
