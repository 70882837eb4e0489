package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/suparust/suparust/server"
	"github.com/suparust/suparust/suparusttest"
)

// TestBranchesAreBounded: branches of branches count like the server's own, and
// make room again when they end, those of a branch that is ended among them.
func TestBranchesAreBounded(t *testing.T) {
	t.Parallel()
	srv := suparusttest.Start(t, suparusttest.WithoutProject(), suparusttest.WithConfig(func(c *server.Config) { server.LimitBranches(c, 3) }))
	ask := func(of *suparusttest.Client) (*suparusttest.Response, *suparusttest.Client, string) {
		t.Helper()
		r := of.Post(t, "/branches", "{}")
		var b server.Branch
		r.JSON(t, &b)
		return r, &suparusttest.Client{HTTP: of.HTTP, URL: b.ControlURL, Header: http.Header{"Authorization": {"Bearer " + b.ControlToken}}}, b.ID
	}
	create := func(of *suparusttest.Client) (*suparusttest.Client, string) {
		t.Helper()
		r, branch, id := ask(of)
		r.WantStatus(t, http.StatusCreated)
		return branch, id
	}
	top := srv.Control(t)
	one, oneID := create(top)
	two, _ := create(one)
	three, threeID := create(two)
	for name, of := range map[string]*suparusttest.Client{"the server": top, "its branch": one, "the branch of it": two, "the last one": three} {
		r, _, _ := ask(of)
		if r.WantStatus(t, http.StatusBadRequest); !strings.Contains(string(r.Body), "3 branches are alive: end some") {
			t.Errorf("%s: %s", name, r.Body)
		}
	}
	two.Delete(t, "/branches/"+threeID).WantStatus(t, http.StatusNoContent)
	create(top)
	top.Delete(t, "/branches/"+oneID).WantStatus(t, http.StatusNoContent) // and the one of it
	create(top)
	create(top)
	r, _, _ := ask(top)
	r.WantStatus(t, http.StatusBadRequest)
}
