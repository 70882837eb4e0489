package mail

import (
	"net/url"
	"regexp"
	"strings"
)

// Locate sets Code, TokenHash and Link of a message whose code and token hash
// are known: each to what the message really shows, for its template may leave
// any of them out.
func (m *Message) Locate(code, tokenHash string) {
	m.Code, m.TokenHash, m.Link = "", "", ""
	shown := m.Subject + "\n" + m.Text + "\n" + m.HTML
	if code != "" && strings.Contains(shown, code) {
		m.Code = code
	}
	if tokenHash != "" && strings.Contains(shown, tokenHash) {
		m.TokenHash = tokenHash
	}
	for _, l := range links(m) {
		if tokenHash != "" && strings.Contains(l, tokenHash) || code != "" && strings.Contains(l, code) {
			m.Link = l
			return
		}
	}
}

var (
	codeForm  = regexp.MustCompile(`(?:^|[^0-9A-Za-z_.+/=-])([0-9]{6,10})(?:$|[^0-9A-Za-z_/=-])`)
	tokenHash = regexp.MustCompile(`^(pkce_)?[0-9a-f]{56}$`)
)

// guess is Locate for a message of somebody else: the code is the first number
// of 6 to 10 digits that stands alone, the link the first that carries a token,
// else the first of all.
func (m *Message) guess() {
	list := links(m)
	for _, l := range list {
		u, err := url.Parse(l)
		if err != nil {
			continue
		}
		q := u.Query()
		for _, name := range []string{"token_hash", "token", "code"} {
			v := q.Get(name)
			if v == "" {
				continue
			}
			m.Link = l
			if tokenHash.MatchString(v) {
				m.TokenHash = v
			}
			break
		}
		if m.Link != "" {
			break
		}
	}
	if m.Link == "" && len(list) > 0 {
		m.Link = list[0]
	}
	for _, s := range []string{m.Subject, plainLink.ReplaceAllString(words(m), " ")} {
		if found := codeForm.FindStringSubmatch(s); found != nil {
			m.Code = found[1]
			return
		}
	}
}
