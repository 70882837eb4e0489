package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/suparust/suparust/server/internal/control"
)

// ControlAccess is how the control API of a server is reached.
type ControlAccess struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	// HTTP does the requests; nil is http.DefaultClient.
	HTTP *http.Client `json:"-"`
}

// Names of the variables that test suites find the control API with.
const (
	ControlURLVariable   = "SUPARUST_CONTROL_URL"
	ControlTokenVariable = "SUPARUST_CONTROL_TOKEN"
)

// Environ is the environment that test suites find the control API with, as
// NAME=value.
func (c *ControlAccess) Environ() []string {
	return []string{ControlURLVariable + "=" + c.URL, ControlTokenVariable + "=" + c.Token}
}

// Instance is what a client needs to use a server, as the control API answers.
type Instance = control.Instance

// Branch is a server of its own that was made from another through the control
// API.
type Branch = control.Branch

// maxControlAnswer bounds an answer of the control API: mailboxes hold so much.
const maxControlAnswer = 256 << 20

// Call asks for an operation of docs/control.md. A body that is not nil is sent
// as JSON, and the answer is decoded into a value that is not nil. The error of
// what was refused is the API's own sentence.
func (c *ControlAccess) Call(ctx context.Context, method, path string, body, into any) error {
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxControlAnswer))
	if err != nil {
		return fmt.Errorf("the answer of the server's control API ended early: %w", err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return problem(res, data)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(data, into)
}

// Messages are those that f chooses and that came after the one with an id,
// newest first; "" is from the first on. Where there is none it waits so long
// for one.
func (c *ControlAccess) Messages(ctx context.Context, f MailFilter, after string, wait time.Duration) ([]Message, error) {
	q := query(map[string]string{"to": f.To, "tag": f.Tag, "after": after}, wait)
	var answer struct{ Messages []control.Message }
	if err := c.Call(ctx, http.MethodGet, "/mail?"+q, nil, &answer); err != nil {
		return nil, err
	}
	list := make([]Message, len(answer.Messages))
	for i := range list {
		list[i] = answer.Messages[i].Mail()
	}
	return list, nil
}

// HTTPRequests are what the server has asked of others: those that f chooses,
// newest first. Where there is none it waits so long for one.
func (c *ControlAccess) HTTPRequests(ctx context.Context, f HTTPFilter, wait time.Duration) ([]HTTPRequest, error) {
	q := query(map[string]string{"method": f.Method, "url": f.URL, "after": f.After}, wait)
	var answer struct{ Requests []HTTPRequest }
	err := c.Call(ctx, http.MethodGet, "/http/requests?"+q, nil, &answer)
	return answer.Requests, err
}

// Requests are the last ones to the APIs, newest first.
func (c *ControlAccess) Requests(ctx context.Context) ([]RequestRecord, error) {
	var answer struct{ Requests []RequestRecord }
	err := c.Call(ctx, http.MethodGet, "/requests", nil, &answer)
	return answer.Requests, err
}

// DatabaseLog is the end of PostgreSQL's log, so many lines.
func (c *ControlAccess) DatabaseLog(ctx context.Context, lines int) (string, error) {
	var answer struct{ Log string }
	err := c.Call(ctx, http.MethodGet, "/database/log?lines="+strconv.Itoa(lines), nil, &answer)
	return answer.Log, err
}

// query is that of a list that is waited for.
func query(parts map[string]string, wait time.Duration) string {
	q := url.Values{}
	for name, value := range parts {
		if value != "" {
			q.Set(name, value)
		}
	}
	if wait > 0 {
		q.Set("wait", wait.String())
	}
	return q.Encode()
}

// Hold asks for a branch that lives as long as the connection which end closes,
// and decodes what the answer says of it.
func (c *ControlAccess) Hold(ctx context.Context, body, into any) (end func(), err error) {
	res, err := c.do(ctx, http.MethodPost, "/branches", body) //nolint:bodyclose // end closes it
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		defer res.Body.Close()
		data, _ := io.ReadAll(io.LimitReader(res.Body, maxControlAnswer)) // what came of it says enough
		return nil, problem(res, data)
	}
	end = func() { _ = res.Body.Close() } // it was not read to its end
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		end()
		return nil, fmt.Errorf("the answer of the server's control API ended early: %w", err)
	}
	return end, nil
}

func (c *ControlAccess) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, reader)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the server's control API does not answer: %w", err)
	}
	return res, nil
}

// problem is why an operation was not carried out.
func problem(res *http.Response, body []byte) error {
	var p struct{ Message string }
	if json.Unmarshal(body, &p) != nil || p.Message == "" {
		return errors.New("the server's control API answers " + res.Status)
	}
	return errors.New(p.Message)
}
