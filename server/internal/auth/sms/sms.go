// Package sms sends text messages through the services that a project may
// have an account with.
package sms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Services there are.
const (
	Twilio       = "twilio"
	TwilioVerify = "twilio_verify"
	MessageBird  = "messagebird"
	TextLocal    = "textlocal"
	Vonage       = "vonage"
)

// Channels of a message.
const (
	ChannelSMS      = "sms"
	ChannelWhatsApp = "whatsapp"
)

// Config names a service and the account with it. Each service has its own
// part of the fields.
type Config struct {
	Provider string // "" is none

	AccountSID, AuthToken, MessageServiceSID string // Twilio, Twilio Verify
	ContentSID                               string // Twilio, of WhatsApp's templates
	AccessKey, Originator                    string // MessageBird
	APIKey, Sender                           string // Textlocal; Vonage has the key too
	APISecret, From                          string // Vonage

	// URL stands in for the service's base address.
	URL string
	// Timeout bounds a call of the service; 0 is ten seconds.
	Timeout time.Duration
	// Transport is the way there; nil is one of its own.
	Transport http.RoundTripper
}

// service is how a service is called.
type service struct {
	base     string
	required map[string]func(*Config) string // by the setting's name
	send     func(*Sender, context.Context, Message) (id string, err error)
}

var services = map[string]service{
	Twilio: {"https://api.twilio.com", map[string]func(*Config) string{
		"account_sid":         func(c *Config) string { return c.AccountSID },
		"auth_token":          func(c *Config) string { return c.AuthToken },
		"message_service_sid": func(c *Config) string { return c.MessageServiceSID },
	}, (*Sender).twilio},
	TwilioVerify: {"https://verify.twilio.com", map[string]func(*Config) string{
		"account_sid":         func(c *Config) string { return c.AccountSID },
		"auth_token":          func(c *Config) string { return c.AuthToken },
		"message_service_sid": func(c *Config) string { return c.MessageServiceSID },
	}, (*Sender).twilioVerify},
	MessageBird: {"https://rest.messagebird.com", map[string]func(*Config) string{
		"access_key": func(c *Config) string { return c.AccessKey },
		"originator": func(c *Config) string { return c.Originator },
	}, (*Sender).messageBird},
	TextLocal: {"https://api.textlocal.in", map[string]func(*Config) string{
		"api_key": func(c *Config) string { return c.APIKey },
		"sender":  func(c *Config) string { return c.Sender },
	}, (*Sender).textLocal},
	Vonage: {"https://rest.nexmo.com", map[string]func(*Config) string{
		"api_key":    func(c *Config) string { return c.APIKey },
		"api_secret": func(c *Config) string { return c.APISecret },
		"from":       func(c *Config) string { return c.From },
	}, (*Sender).vonage},
}

// Providers are the names of the services.
func Providers() []string { return []string{MessageBird, TextLocal, Twilio, TwilioVerify, Vonage} }

// Message is a text to a number of digits alone.
type Message struct {
	Phone, Text, Code string
	Channel           string // "" is ChannelSMS
}

// Sender sends messages through one service. A nil Sender has none.
type Sender struct {
	cfg    Config
	client *http.Client
}

// New checks the configuration; nil is the sender of none.
func New(c Config) (*Sender, error) {
	if c.Provider == "" {
		return nil, nil
	}
	s, ok := services[c.Provider]
	if !ok {
		return nil, fmt.Errorf("there is no SMS provider %q: the providers are %s", c.Provider, strings.Join(Providers(), ", "))
	}
	var missing []string
	for name, value := range s.required {
		if value(&c) == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return nil, fmt.Errorf("the SMS provider %s lacks %s: set it, or take the provider away so that messages land in the mailbox",
			c.Provider, strings.Join(missing, ", "))
	}
	if c.URL == "" {
		c.URL = s.base
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("the address %q of the SMS provider %s is no HTTP address", c.URL, c.Provider)
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, MaxConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true}
	}
	return &Sender{cfg: c, client: &http.Client{
		Timeout: c.Timeout, Transport: c.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close gives up the connections that are kept.
func (s *Sender) Close() {
	if s != nil {
		s.client.CloseIdleConnections()
	}
}

// Provider is the service's name, "" for none.
func (s *Sender) Provider() string {
	if s == nil {
		return ""
	}
	return s.cfg.Provider
}

// Verifies reports whether the service makes and checks the codes itself.
func (s *Sender) Verifies() bool { return s.Provider() == TwilioVerify }

// WhatsApp reports whether the service has that channel.
func (s *Sender) WhatsApp() bool { return s.Provider() == Twilio || s.Verifies() }

// Send hands a message over and returns the service's name of it.
func (s *Sender) Send(ctx context.Context, m Message) (id string, err error) {
	if m.Channel == "" {
		m.Channel = ChannelSMS
	}
	return services[s.cfg.Provider].send(s, ctx, m)
}

// maxAnswer bounds what is read of a service's answer.
const maxAnswer = 256 << 10

// call posts a form and reads the JSON of the answer into v. An answer that is
// none of the good statuses is read into failure, when it is not nil.
func (s *Sender) call(ctx context.Context, path string, form url.Values, authorize func(*http.Request), v any, failure error, good ...int) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return errors.New("the service's address cannot be made") // the cause may hold what is secret
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if authorize != nil {
		authorize(r)
	}
	res, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	d := json.NewDecoder(io.LimitReader(res.Body, maxAnswer))
	if failure != nil && !slices.Contains(good, res.StatusCode) {
		if err := d.Decode(failure); err != nil {
			return fmt.Errorf("the service answered %d and no JSON", res.StatusCode)
		}
		return failure
	}
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the service answered %d and no JSON: %w", res.StatusCode, err)
	}
	return nil
}
