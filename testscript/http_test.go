package testscript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// newRequest reads METHOD URL [OPTION…] [BODY]. The options are
//
//	key:NAME            the API key that `keys` read under NAME, also as the bearer of the request
//	as:VARIABLE         the user's token in that variable, in the place of the key as the bearer
//	bearer:FILE         the same, in a file
//	header:NAME=VALUE   a header
//	file:PATH           the body, as it stands in the file
//	show:NAME           a header of the answer to print
//
// A body that is typed is JSON unless a header says otherwise.
func newRequest(ts *testscript.TestScript, args []string) (req *http.Request, show []string) {
	req, err := http.NewRequest(args[0], args[1], nil)
	ts.Check(err)
	for _, arg := range args[2:] {
		switch kind, value, _ := strings.Cut(arg, ":"); kind {
		case "key":
			req.Header.Set("apikey", ts.Getenv("SERVER_"+value))
			req.Header.Set("Authorization", "Bearer "+ts.Getenv("SERVER_"+value))
		case "as":
			req.Header.Set("Authorization", "Bearer "+ts.Getenv(value))
		case "bearer":
			req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(ts.ReadFile(value)))
		case "header":
			name, v, _ := strings.Cut(value, "=")
			req.Header.Set(name, v)
		case "show":
			show = append(show, value)
		case "file":
			setBody(req, ts.ReadFile(value), "application/octet-stream")
		default:
			setBody(req, arg, "application/json")
		}
	}
	return req, show
}

func setBody(req *http.Request, body, contentType string) {
	req.Body = io.NopCloser(strings.NewReader(body))
	req.ContentLength = int64(len(body))
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", contentType)
	}
}

// answer is what `http` prints: the status, the headers that were asked for, the body.
func answer(req *http.Request, show []string) ([]byte, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var b bytes.Buffer
	fmt.Fprintln(&b, res.Status)
	for _, name := range show {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(res.Header.Values(name), ", "))
	}
	_, err = io.Copy(&b, res.Body)
	return append(b.Bytes(), '\n'), err
}

// http METHOD URL [OPTION…] [BODY] sends a request and prints the answer; see newRequest.
func request(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: http METHOD URL [OPTION…] [BODY]")
	}
	text, err := answer(newRequest(ts, args))
	ts.Check(err)
	_, err = ts.Stdout().Write(text)
	ts.Check(err)
}

// underWay is a request that a script goes on beside.
type underWay struct {
	done chan struct{}
	text []byte
	err  error
}

// httpstart NAME METHOD URL … sends a request and does not wait for its answer, which httpwait prints.
func startRequest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: httpstart NAME METHOD URL [OPTION…] [BODY]")
	}
	req, show := newRequest(ts, args[1:])
	u := &underWay{done: make(chan struct{})}
	requestsOf(ts)[args[0]] = u
	go func() {
		defer close(u.done)
		u.text, u.err = answer(req, show)
	}()
}

// httpwait NAME prints the answer to a request that httpstart sent.
func waitRequest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || requestsOf(ts)[args[0]] == nil {
		ts.Fatalf("usage: httpwait NAME")
	}
	u := requestsOf(ts)[args[0]]
	<-u.done
	ts.Check(u.err)
	_, err := ts.Stdout().Write(u.text)
	ts.Check(err)
}

// save VARIABLE PATH puts a value of the JSON that was printed last into a variable: access_token, user.id, 0.name.
func save(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: save VARIABLE PATH")
	}
	text := ts.ReadFile("stdout")
	begin := strings.IndexAny(text, "{[")
	var value any
	if begin < 0 || json.Unmarshal([]byte(text[begin:]), &value) != nil {
		ts.Fatalf("no JSON was printed")
	}
	for _, step := range strings.Split(args[1], ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				ts.Fatalf("there is no %s in %s", args[1], text)
			}
			value = v[i]
		default:
			value = nil
		}
	}
	found, ok := value.(string)
	if !ok {
		ts.Fatalf("%s is no text in %s", args[1], text)
	}
	ts.Setenv(args[0], found)
}
