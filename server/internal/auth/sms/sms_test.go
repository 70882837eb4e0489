package sms_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/suparust/suparust/server/internal/auth/sms"
)

// account is a complete account with every service.
func account(provider, address string) sms.Config {
	return sms.Config{
		Provider: provider, URL: address, AccountSID: "AC1", AuthToken: "token", MessageServiceSID: "+15550000", AccessKey: "key", Originator: "Shop",
		APIKey: "key", Sender: "Shop", APISecret: "sec", From: "Shop", Timeout: 2 * time.Second,
	}
}

// send has a service that gives this answer send a message, and returns what it
// was asked.
func send(t *testing.T, c sms.Config, m sms.Message, status int, answer string) (path, authorization string, form url.Values, id string, err error) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s %v", r.Method, err)
		}
		path, authorization, form = r.URL.EscapedPath(), r.Header.Get("Authorization"), r.PostForm
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	c.URL = srv.URL + "/"
	s, err := sms.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id, err = s.Send(t.Context(), m)
	return path, authorization, form, id, err
}

func TestSend(t *testing.T) {
	const basic = "Basic QUMxOnRva2Vu" // AC1:token
	m := sms.Message{Phone: "15551234", Text: "Your code is 123456", Code: "123456"}
	whatsapp, unicode := m, m
	whatsapp.Channel, unicode.Text = sms.ChannelWhatsApp, "Ihr Schlüssel: 123456"
	content := account(sms.Twilio, "")
	content.ContentSID = "HX1"
	service := content
	service.MessageServiceSID, service.ContentSID = "MG1", ""
	for name, c := range map[string]struct {
		config              sms.Config
		message             sms.Message
		status              int
		answer              string
		path, authorization string
		form                string // encoded
		id, err             string
	}{
		"twilio": {account(sms.Twilio, ""), m, 201, `{"sid":"SM1","status":"queued","error_code":null}`, "/2010-04-01/Accounts/AC1/Messages.json", basic,
			"Body=Your+code+is+123456&Channel=sms&From=%2B15550000&To=%2B15551234", "SM1", ""},
		"twilio by whatsapp": {account(sms.Twilio, ""), whatsapp, 200, `{"sid":"SM1"}`, "/2010-04-01/Accounts/AC1/Messages.json", basic,
			"Body=Your+code+is+123456&Channel=whatsapp&From=whatsapp%3A%2B15550000&To=whatsapp%3A%2B15551234", "SM1", ""},
		"twilio by whatsapp of a service": {service, whatsapp, 200, `{"sid":"SM1"}`, "/2010-04-01/Accounts/AC1/Messages.json", basic,
			"Body=Your+code+is+123456&Channel=whatsapp&From=MG1&To=whatsapp%3A%2B15551234", "SM1", ""},
		"twilio by a whatsapp template": {content, whatsapp, 200, `{"sid":"SM1"}`, "/2010-04-01/Accounts/AC1/Messages.json", basic,
			"Channel=whatsapp&ContentSid=HX1&ContentVariables=%7B%221%22%3A+%22123456%22%7D&From=whatsapp%3A%2B15550000&To=whatsapp%3A%2B15551234", "SM1", ""},
		"twilio refuses": {account(sms.Twilio, ""), m, 400, `{"code":21211,"message":"Invalid 'To' Phone Number.","more_info":"https://x"}`,
			"/2010-04-01/Accounts/AC1/Messages.json", basic, "*", "", "Invalid 'To' Phone Number. More information: https://x"},
		"twilio fails": {account(sms.Twilio, ""), m, 201, `{"sid":"SM1","status":"failed","error_code":30003,"error_message":"Unreachable"}`,
			"/2010-04-01/Accounts/AC1/Messages.json", basic, "*", "", "twilio error: Unreachable 30003 for message SM1"},
		"twilio is down": {account(sms.Twilio, ""), m, 502, `<html>`, "/2010-04-01/Accounts/AC1/Messages.json", basic, "*", "", "the service answered 502 and no JSON"},
		"twilio verify": {account(sms.TwilioVerify, ""), whatsapp, 201, `{"sid":"VE1","status":"pending"}`, "/v2/Services/+15550000/Verifications", basic,
			"Channel=whatsapp&To=%2B15551234", "VE1", ""},
		"messagebird": {account(sms.MessageBird, ""), m, 201, `{"id":"m1","recipients":{"totalSentCount":1}}`, "/messages", "AccessKey key",
			"body=Your+code+is+123456&datacoding=unicode&originator=Shop&recipients=15551234&type=sms", "m1", ""},
		"messagebird sends none":          {account(sms.MessageBird, ""), m, 201, `{"id":"m1","recipients":{}}`, "/messages", "AccessKey key", "*", "", "messagebird error: total sent count is 0"},
		"messagebird refuses":             {account(sms.MessageBird, ""), m, 422, `{"errors":[{"code":9,"description":"no (correct) recipients found"}]}`, "/messages", "AccessKey key", "*", "", "no (correct) recipients found"},
		"messagebird refuses, no reasons": {account(sms.MessageBird, ""), m, 401, `{"errors":[]}`, "/messages", "AccessKey key", "*", "", "messagebird error without a description"},
		"vonage": {account(sms.Vonage, ""), m, 200, `{"messages":[{"message-id":"v1","status":"0"}]}`, "/sms/json", "",
			"api_key=key&api_secret=sec&from=Shop&text=Your+code+is+123456&to=15551234", "v1", ""},
		"vonage beyond ASCII": {account(sms.Vonage, ""), unicode, 200, `{"messages":[{"message-id":"v1","status":"0"}]}`, "/sms/json", "",
			"api_key=key&api_secret=sec&from=Shop&text=Ihr+Schl%C3%BCssel%3A+123456&to=15551234&type=unicode", "v1", ""},
		"vonage fails":        {account(sms.Vonage, ""), m, 200, `{"messages":[{"message-id":"v1","status":"4","error-text":"Bad Credentials"}]}`, "/sms/json", "", "*", "", "vonage error: Bad Credentials (status: 4) for message v1"},
		"vonage says nothing": {account(sms.Vonage, ""), m, 200, `{}`, "/sms/json", "", "*", "", "vonage error: Internal Error"},
		"textlocal": {account(sms.TextLocal, ""), m, 200, `{"status":"success","messages":[{"id":"t1"}]}`, "/send", "",
			"apikey=key&message=Your+code+is+123456&numbers=15551234&sender=Shop", "t1", ""},
		"textlocal fails": {account(sms.TextLocal, ""), m, 200, `{"status":"failure","errors":[{"code":7,"message":"Insufficient credits"}]}`, "/send", "", "*", "", "textlocal error: Insufficient credits (code: 7) message "},
		"textlocal wants a template, and the code is not told": {account(sms.TextLocal, ""), m, 200, `{"status":"failure","errors":[{"code":80,"message":"Invalid template"}]}`, "/send", "", "*", "",
			"textlocal error: Invalid template (code: 80) template message"},
		"textlocal gives no reasons": {account(sms.TextLocal, ""), m, 200, `{"status":"failure"}`, "/send", "", "*", "", "textlocal error without a description"},
	} {
		t.Run(name, func(t *testing.T) {
			path, authorization, form, id, err := send(t, c.config, c.message, c.status, c.answer)
			if path != c.path || authorization != c.authorization || c.form != "*" && form.Encode() != c.form {
				t.Errorf("asked %s, %s, %s", path, authorization, form.Encode())
			}
			if id != c.id || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("%q, %v", id, err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for answer, want := range map[string]string{
		`{"status":"approved","valid":true}`: "", `{"status":"pending","valid":false}`: "twilio verification error:  pending",
		`{"status":"approved","valid":false}`: "twilio verification error:  approved", `{}`: "twilio verification error:  ",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/Services/+15550000/VerificationCheck" || r.FormValue("To") != "+15551234" || r.FormValue("Code") != "123456" {
				t.Errorf("asked %s %v", r.URL, r.Form)
			}
			_, _ = io.WriteString(w, answer)
		}))
		s, err := sms.New(account(sms.TwilioVerify, srv.URL))
		if err != nil {
			t.Fatal(err)
		}
		if !s.Verifies() || !s.WhatsApp() || s.Provider() != "twilio_verify" {
			t.Error("it makes codes itself")
		}
		err = s.Check(t.Context(), "15551234", "123456")
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v", answer, err)
		}
		s.Close()
		srv.Close()
	}
}

// A service that never stops talking, or never begins, is given up.
func TestBounds(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sms/json" {
			_, _ = io.WriteString(w, `{"messages":"`+strings.Repeat("x", 1<<20)+`"}`)
			return
		}
		<-release
	}))
	defer srv.Close()
	defer close(release)
	for _, provider := range []string{sms.Vonage, sms.TextLocal} {
		c := account(provider, srv.URL)
		c.Timeout = 100 * time.Millisecond
		if provider == sms.Vonage {
			c.Timeout = 0
		}
		s, err := sms.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Send(t.Context(), sms.Message{Phone: "1"}); err == nil {
			t.Errorf("%s: no error", provider)
		}
		s.Close()
	}
}

func TestNew(t *testing.T) {
	for _, provider := range sms.Providers() {
		if _, err := sms.New(account(provider, "")); err != nil {
			t.Errorf("%s: %v", provider, err)
		}
		_, err := sms.New(sms.Config{Provider: provider})
		if err == nil || !strings.Contains(err.Error(), provider+" lacks ") {
			t.Errorf("%s without an account: %v", provider, err)
		}
		if _, err := sms.New(account(provider, "nowhere")); err == nil {
			t.Errorf("%s: a bad address is taken", provider)
		}
	}
	if _, err := sms.New(account("pigeon", "")); err == nil {
		t.Error("there is no such service")
	}
	s, err := sms.New(sms.Config{})
	if s != nil || err != nil || s.Provider() != "" || s.Verifies() || s.WhatsApp() {
		t.Errorf("none: %v %v", s, err)
	}
	s.Close()
}
