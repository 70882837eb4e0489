package sms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// twilioError is Twilio's refusal.
type twilioError struct {
	Message  string `json:"message"`
	MoreInfo string `json:"more_info"`
}

func (e *twilioError) Error() string { return e.Message + " More information: " + e.MoreInfo }

func (s *Sender) basicAuth(r *http.Request) { r.SetBasicAuth(s.cfg.AccountSID, s.cfg.AuthToken) }

var number = regexp.MustCompile(`^\+?[1-9][0-9 ]{1,19}$`)

// text is a JSON value that services write as a string, a number or null.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = strings.Trim(string(b), `"`)
	}
	*t = text(s)
	return nil
}

func (s *Sender) twilio(ctx context.Context, m Message) (string, error) {
	to, from := "+"+m.Phone, s.cfg.MessageServiceSID
	form := url.Values{"Channel": {m.Channel}, "Body": {m.Text}}
	if m.Channel == ChannelWhatsApp {
		to = m.Channel + ":" + to
		if number.MatchString(from) {
			from = m.Channel + ":" + from
		}
		if s.cfg.ContentSID != "" {
			form.Del("Body")
			form.Set("ContentSid", s.cfg.ContentSID)
			form.Set("ContentVariables", fmt.Sprintf(`{"1": %q}`, m.Code))
		}
	}
	form.Set("To", to)
	form.Set("From", from)
	var a struct {
		SID          string `json:"sid"`
		Status       string `json:"status"`
		ErrorCode    text   `json:"error_code"`
		ErrorMessage text   `json:"error_message"`
	}
	path := "/2010-04-01/Accounts/" + url.PathEscape(s.cfg.AccountSID) + "/Messages.json"
	if err := s.call(ctx, path, form, s.basicAuth, &a, &twilioError{}, http.StatusOK, http.StatusCreated); err != nil {
		return "", err
	}
	if a.Status == "failed" || a.Status == "undelivered" {
		return "", fmt.Errorf("twilio error: %s %s for message %s", a.ErrorMessage, a.ErrorCode, a.SID)
	}
	return a.SID, nil
}

func (s *Sender) verifyService() string {
	return "/v2/Services/" + url.PathEscape(s.cfg.MessageServiceSID)
}

func (s *Sender) twilioVerify(ctx context.Context, m Message) (string, error) {
	var a struct {
		SID string `json:"sid"`
	}
	form := url.Values{"To": {"+" + m.Phone}, "Channel": {m.Channel}}
	err := s.call(ctx, s.verifyService()+"/Verifications", form, s.basicAuth, &a, &twilioError{}, http.StatusOK, http.StatusCreated)
	return a.SID, err
}

// Check asks the service whether a code is the one that it has sent. Only one
// that Verifies can be asked.
func (s *Sender) Check(ctx context.Context, phone, code string) error {
	var a struct {
		Status       string `json:"status"`
		Valid        bool   `json:"valid"`
		ErrorMessage text   `json:"error_message"`
	}
	form := url.Values{"To": {"+" + phone}, "Code": {code}}
	err := s.call(ctx, s.verifyService()+"/VerificationCheck", form, s.basicAuth, &a, &twilioError{}, http.StatusOK, http.StatusCreated)
	if err == nil && (a.Status != "approved" || !a.Valid) {
		err = fmt.Errorf("twilio verification error: %s %s", a.ErrorMessage, a.Status)
	}
	return err
}

// messageBirdError is MessageBird's refusal.
type messageBirdError struct {
	Errors []struct {
		Description string `json:"description"`
	} `json:"errors"`
}

func (e *messageBirdError) Error() string {
	if len(e.Errors) == 0 {
		return "messagebird error without a description"
	}
	return e.Errors[0].Description
}

func (s *Sender) messageBird(ctx context.Context, m Message) (string, error) {
	form := url.Values{"originator": {s.cfg.Originator}, "body": {m.Text}, "recipients": {m.Phone}, "type": {"sms"}, "datacoding": {"unicode"}}
	var a struct {
		ID         string `json:"id"`
		Recipients struct {
			Sent int `json:"totalSentCount"`
		} `json:"recipients"`
	}
	key := func(r *http.Request) { r.Header.Set("Authorization", "AccessKey "+s.cfg.AccessKey) }
	if err := s.call(ctx, "/messages", form, key, &a, &messageBirdError{}, http.StatusOK, http.StatusCreated); err != nil {
		return "", err
	}
	if a.Recipients.Sent == 0 {
		return "", errors.New("messagebird error: total sent count is 0")
	}
	return a.ID, nil
}

func (s *Sender) vonage(ctx context.Context, m Message) (string, error) {
	form := url.Values{"from": {s.cfg.From}, "to": {m.Phone}, "text": {m.Text}, "api_key": {s.cfg.APIKey}, "api_secret": {s.cfg.APISecret}}
	if strings.ContainsFunc(m.Text, func(r rune) bool { return r > 127 }) {
		form.Set("type", "unicode")
	}
	var a struct {
		Messages []struct {
			ID     string `json:"message-id"`
			Status text   `json:"status"`
			Error  string `json:"error-text"`
		} `json:"messages"`
	}
	if err := s.call(ctx, "/sms/json", form, nil, &a, nil); err != nil {
		return "", err
	}
	if len(a.Messages) == 0 {
		return "", errors.New("vonage error: Internal Error")
	}
	if got := a.Messages[0]; got.Status != "0" {
		return "", fmt.Errorf("vonage error: %s (status: %s) for message %s", got.Error, got.Status, got.ID)
	}
	return a.Messages[0].ID, nil
}

// templateError is Textlocal's code for a text that is no registered template.
const templateError = "80"

func (s *Sender) textLocal(ctx context.Context, m Message) (string, error) {
	form := url.Values{"sender": {s.cfg.Sender}, "apikey": {s.cfg.APIKey}, "message": {m.Text}, "numbers": {m.Phone}}
	var a struct {
		Status string `json:"status"`
		Errors []struct {
			Code    text   `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Messages []struct {
			ID text `json:"id"`
		} `json:"messages"`
	}
	if err := s.call(ctx, "/send", form, nil, &a, nil); err != nil {
		return "", err
	}
	id := ""
	if len(a.Messages) > 0 {
		id = string(a.Messages[0].ID)
	}
	switch {
	case a.Status == "success":
		return id, nil
	case len(a.Errors) == 0:
		return "", errors.New("textlocal error without a description")
	case a.Errors[0].Code == templateError: // the text holds the code, so it is not told
		return "", fmt.Errorf("textlocal error: %s (code: %s) template message", a.Errors[0].Message, a.Errors[0].Code)
	}
	return "", fmt.Errorf("textlocal error: %s (code: %s) message %s", a.Errors[0].Message, a.Errors[0].Code, id)
}
