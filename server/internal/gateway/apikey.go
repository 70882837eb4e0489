package gateway

import (
	"crypto/subtle"
	"net/http"
)

// known reports whether key is one of the API keys.
func (k Keys) known(key string) bool {
	found := 0
	for _, one := range []string{k.AnonKey, k.ServiceRoleKey, k.PublishableKey, k.SecretKey} {
		if one != "" {
			found |= subtle.ConstantTimeCompare([]byte(key), []byte(one))
		}
	}
	return found == 1
}

// admits answers a request that needs an API key and has none, or another
// project's, as the hosted platform does. It reports whether the request may
// go on.
func (g *Gateway) admits(w http.ResponseWriter, r *http.Request) bool {
	if g.needsKey == nil || !g.needsKey(r) {
		return true
	}
	body := `{"message":"Invalid API key","hint":"Send the anon or the service_role key of this server; suparust status shows them."}`
	switch key := apiKey(r); {
	case g.keys.Load().known(key):
		return true
	case key == "":
		body = `{"message":"No API key found in request","hint":"No ` + "`apikey`" + ` request header or url param was found."}`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(body))
	return false
}
