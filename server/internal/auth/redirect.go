package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// redirectPattern is an entry of the list of targets that links may lead to.
type redirectPattern struct{ re *regexp.Regexp }

// parseRedirects reads the list of further targets.
func parseRedirects(patterns []string) ([]redirectPattern, error) {
	var out []redirectPattern
	for _, p := range patterns {
		if p == "" {
			continue
		}
		re, err := globRegexp(p)
		if err != nil {
			return nil, fmt.Errorf("auth: the redirect URL %q is no pattern: %w", p, err)
		}
		out = append(out, redirectPattern{re})
	}
	return out, nil
}

// globRegexp turns a glob into an expression: ** is anything, * anything
// within a part between dots and slashes, ? one character of such a part,
// [abc] and [!abc] one of or none of, {a,b} either, \ quotes the next.
func globRegexp(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString(`\A(?s:`)
	depth := 0
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '*' && strings.HasPrefix(glob[i:], "**"):
			b.WriteString(`.*`)
			i++
		case c == '*':
			b.WriteString(`[^./]*`)
		case c == '?':
			b.WriteString(`[^./]`)
		case c == '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 {
				return nil, fmt.Errorf("the [ at %d is not closed", i)
			}
			set := glob[i+1 : i+end]
			i += end
			b.WriteByte('[')
			if set[0] == '!' || set[0] == '^' {
				b.WriteByte('^')
				set = set[1:]
			}
			b.WriteString(strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`).Replace(set))
			b.WriteByte(']')
		case c == '{':
			depth++
			b.WriteString(`(?:`)
		case c == '}' && depth > 0:
			depth--
			b.WriteByte(')')
		case c == ',' && depth > 0:
			b.WriteByte('|')
		case c == '\\' && i+1 < len(glob):
			i++
			b.WriteString(regexp.QuoteMeta(glob[i : i+1]))
		case c >= 0x80:
			b.WriteByte(c)
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString(`)\z`)
	return regexp.Compile(b.String())
}

var (
	onlyDigits  = regexp.MustCompile(`^[0-9]+$`)
	regularHost = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$`)
)

// redirectAllowed reports whether a link may lead to target.
func (h *Handler) redirectAllowed(target string) bool {
	if target == "" {
		return false
	}
	site, err := url.Parse(h.cfg.SiteURL)
	if err != nil {
		return false
	}
	t, err := url.Parse(target)
	if err != nil {
		return false
	}
	if site.Hostname() == t.Hostname() && site.Scheme == t.Scheme && (site.Port() == t.Port() || isLoopback(t.Hostname())) {
		return true
	}
	host, scheme := t.Hostname(), strings.ToLower(t.Scheme)
	if onlyDigits.MatchString(host) {
		return false // an address written as one number
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	if (scheme == "http" || scheme == "https") && !regularHost.MatchString(host) {
		return false
	}
	target, _, _ = strings.Cut(target, "#")
	for _, p := range h.redirects {
		if p.re.MatchString(target) {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// redirectTarget is where the flow of a request ends: the wanted target, the
// page it came from, or the site, whichever is the first that is allowed.
func (h *Handler) redirectTarget(r *http.Request) string {
	wanted := r.Header.Get("Redirect_to")
	if wanted == "" {
		wanted = r.URL.Query().Get("redirect_to")
	}
	for _, t := range []string{wanted, r.Referer()} {
		if t = cleanText(t, len(t)); h.redirectAllowed(t) {
			return t
		}
	}
	return h.cfg.SiteURL
}
