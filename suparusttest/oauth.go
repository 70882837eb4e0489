package suparusttest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/suparust/suparust/server"
)

// OAuthUser is a user of an outside service that the server stands in for. What
// is empty is made up from the address.
type OAuthUser = server.FakeOAuthUser

// NextOAuthUser makes u the user that the next sign-in through the provider takes,
// without a page that asks. Tests that sign in side by side name their user in the
// parameter login_hint of the sign-in instead.
func (s *Server) NextOAuthUser(tb testing.TB, provider string, u OAuthUser) {
	tb.Helper()
	s.fakeOAuth(tb, provider, "next", u, http.StatusNoContent, nil)
}

// OAuthIDToken is an ID token of the provider about u, as an app gets it from the
// provider's own button or library. nonce is put into it as it is: apps hand the
// provider the SHA-256 of theirs in hexadecimal.
func (s *Server) OAuthIDToken(tb testing.TB, provider string, u OAuthUser, nonce string) string {
	tb.Helper()
	var answer struct {
		IDToken string `json:"id_token"`
	}
	s.fakeOAuth(tb, provider, "id_token", struct {
		OAuthUser
		Nonce string `json:"nonce"`
	}{u, nonce}, http.StatusOK, &answer)
	return answer.IDToken
}

func (s *Server) fakeOAuth(tb testing.TB, provider, what string, body any, status int, to any) {
	tb.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, s.URL+"/_suparust/oauth/"+provider+"/"+what, bytes.NewReader(raw))
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: s.http}
	res, err := client.Do(r)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatalf("suparusttest: %v", err)
	}
	if res.StatusCode == http.StatusNotFound {
		tb.Fatalf("suparusttest: the server stands in for no sign-in provider %s: give Start WithOAuth(%q), or start the server on loopback with the provider enabled and SUPARUST_OAUTH_FAKE=all", provider, provider)
	}
	if res.StatusCode != status {
		tb.Fatalf("suparusttest: the sign-in provider %s answered %d: %s", provider, res.StatusCode, answer)
	}
	if to != nil {
		if err := json.Unmarshal(answer, to); err != nil {
			tb.Fatalf("suparusttest: %v", err)
		}
	}
}
