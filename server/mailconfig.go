package server

import (
	"errors"
	"fmt"

	"github.com/suparust/suparust/server/internal/mail"
)

// Mailbox holds every message the server sends.
type Mailbox = mail.Box

// MailFilter chooses messages of a Mailbox; the zero value chooses all.
type MailFilter = mail.Filter

// Message is one message of a Mailbox.
type Message = mail.Message

// MailAddress is a name and an address.
type MailAddress = mail.Address

// MailConfig is about the mailbox and where mails are sent to beyond it.
type MailConfig struct {
	// Disabled leaves the mailbox without a port: its messages are seen
	// through Server.Mail alone.
	Disabled bool
	// ListenAddr is where the mailbox listens. Its messages let anybody sign
	// in who reads them.
	ListenAddr string
	// Port of the mailbox's HTTP APIs and page; 0 takes a free one, less than
	// 0 that of the APIs + 20000, or - 20000 where there is none so high.
	Port int
	// OnDemand opens the port when MailURL is first asked for.
	OnDemand bool
	// SMTPPort takes mails from other programs; 0 takes none, less than 0 a
	// free port.
	SMTPPort int
	// Origins are pages beside the mailbox's own that may use its API.
	Origins []string

	// From is the sender of every mail.
	From MailAddress
	// SMTP sends every mail too; without a host it stays in the mailbox.
	SMTP SMTPConfig
}

// SMTPConfig is a server that mails are sent through.
type SMTPConfig struct {
	Host string
	Port int // 0 means 587; on 465 TLS is spoken from the start
	User string
	// Password is told only to a server behind TLS or on this machine.
	Password string
}

// derivedMailDistance is how far the mailbox's port is from the API's where
// nobody chose one.
const derivedMailDistance = 20000

// DefaultMail is the mailbox of a server without a project: on loopback, at
// the port of the APIs + 20000.
func DefaultMail() MailConfig {
	return MailConfig{ListenAddr: "127.0.0.1", Port: -1, From: MailAddress{Name: "Admin", Address: "admin@email.com"}}
}

// PortBeside is the port of the mailbox of APIs on apiPort, 0 when it is any
// free one.
func (c *MailConfig) PortBeside(apiPort int) int {
	switch {
	case c.Port >= 0:
		return c.Port
	case apiPort+derivedMailDistance <= 65535:
		return apiPort + derivedMailDistance
	}
	return apiPort - derivedMailDistance
}

func (c *MailConfig) validate() error {
	if c.Port > 65535 {
		return fmt.Errorf("the mailbox's port %d is outside of 0 to 65535: set SUPARUST_MAIL_PORT to a free one", c.Port)
	}
	if c.SMTPPort > 65535 {
		return fmt.Errorf("the mailbox's SMTP port %d is outside of 0 to 65535: set SUPARUST_MAIL_SMTP_PORT to a free one", c.SMTPPort)
	}
	if c.SMTP.Host != "" && c.From.Address == "" {
		return errors.New("mails have no sender: set SUPARUST_SMTP_ADMIN_EMAIL, or admin_email in config.toml, to an address")
	}
	return nil
}

// sender is what mails are sent through; nil keeps them in the mailbox.
func (c *MailConfig) sender(localName string) *mail.Sender {
	if c.SMTP.Host == "" {
		return nil
	}
	return &mail.Sender{Host: c.SMTP.Host, Port: c.SMTP.Port, User: c.SMTP.User, Password: c.SMTP.Password, LocalName: localName}
}
