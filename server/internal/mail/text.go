package mail

import (
	"html"
	"regexp"
	"strings"
)

var (
	anchor    = regexp.MustCompile(`(?is)<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))[^>]*>(.*?)</a>`)
	blockEnd  = regexp.MustCompile(`(?i)</(p|h[1-6]|div|li|tr)>|<br\s*/?>`)
	invisible = regexp.MustCompile(`(?is)<(style|script|head)\b.*?</(style|script|head)>|<!--.*?-->`)
	tag       = regexp.MustCompile(`(?s)<[^>]*>`)
	blank     = regexp.MustCompile(`[ \t]+`)
	newlines  = regexp.MustCompile(`\s*\n\s*`)
	plainLink = regexp.MustCompile(`https?://[^\s<>"']+`)
)

// HTMLToText is the plain form of a mail: links are shown behind their words.
func HTMLToText(s string) string {
	s = invisible.ReplaceAllString(s, "")
	s = anchor.ReplaceAllString(s, "$4 ( $1$2$3 )")
	s = blockEnd.ReplaceAllString(s, "\n")
	s = html.UnescapeString(tag.ReplaceAllString(s, ""))
	return strings.TrimSpace(newlines.ReplaceAllString(blank.ReplaceAllString(s, " "), "\n\n"))
}

// words is the text of a mail alone, in one line.
func words(m *Message) string {
	s := m.Text
	if m.HTML != "" {
		s = html.UnescapeString(tag.ReplaceAllString(blockEnd.ReplaceAllString(invisible.ReplaceAllString(m.HTML, " "), " "), ""))
	}
	return strings.Join(strings.Fields(s), " ")
}

// links are the addresses that a mail leads to, in their order.
func links(m *Message) []string {
	var out []string
	for _, a := range anchor.FindAllStringSubmatch(m.HTML, -1) {
		if l := html.UnescapeString(a[1] + a[2] + a[3]); strings.HasPrefix(l, "http://") || strings.HasPrefix(l, "https://") {
			out = append(out, l)
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, l := range plainLink.FindAllString(m.Text, -1) {
		out = append(out, strings.TrimRight(l, ".,;:!?)"))
	}
	return out
}
