package mail

import "testing"

func TestHTMLToText(t *testing.T) {
	got := HTMLToText(`<style>p{}</style><!-- no --><h2>Hi &amp; bye</h2><p>Go to <a class="x" href="http://a/?b=1&amp;c=2">the <b>page</b></a></p><p>Code: 012345</p>`)
	want := "Hi & bye\n\nGo to the page ( http://a/?b=1&c=2 )\n\nCode: 012345"
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestLinksAreThoseOfTheHTML(t *testing.T) {
	m := Message{HTML: `<a href='https://a.test/1'>one</a> <A HREF = https://a.test/2>two</A> <a href="mailto:x@y.z">no</a>`, Text: "https://text.test"}
	if got := links(&m); len(got) != 2 || got[0] != "https://a.test/1" || got[1] != "https://a.test/2" {
		t.Errorf("links %q", got)
	}
	m.HTML = ""
	if got := links(&m); len(got) != 1 || got[0] != "https://text.test" {
		t.Errorf("links of the text %q", got)
	}
}
