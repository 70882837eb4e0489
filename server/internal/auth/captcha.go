package auth

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/suparust/suparust/server/internal/auth/captcha"
	"github.com/suparust/suparust/server/internal/httpx"
)

// CaptchaConfig is about riddles that only people solve.
type CaptchaConfig = captcha.Config

// CheckCaptcha reports what is wrong with the configuration.
func CheckCaptcha(c CaptchaConfig) error {
	_, err := captcha.New(c)
	return err
}

// unriddled are the grants that hold a proof of their own.
var unriddled = []string{"pkce", "refresh_token", "id_token"}

// requireCaptcha lets requests pass that hold the token of a solved riddle,
// and those of an admin.
func (h *Handler) requireCaptcha(next http.Handler) http.Handler {
	if h.captcha == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.checkCaptcha(w, r); err != nil {
			h.writeError(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *Handler) checkCaptcha(w http.ResponseWriter, r *http.Request) error {
	if h.authorizeAdmin(r) == nil {
		return nil
	}
	if r.URL.Path == "/token" && slices.Contains(unriddled, r.URL.Query().Get("grant_type")) {
		return nil
	}
	body, err := httpx.ReadBody(w, r, maxBody)
	if err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(body)) // for who comes next
	var p struct {
		Security struct {
			Token string `json:"captcha_token"`
		} `json:"gotrue_meta_security"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return badRequest(codeBadJSON, badJSONMessage, err)
	}
	token := strings.TrimSpace(p.Security.Token)
	if token == "" {
		return errCaptcha("no captcha_token found")
	}
	ok, reasons, err := h.captcha.Verify(r.Context(), token, clientIP(r))
	switch {
	case err != nil && r.Context().Err() != nil:
		return r.Context().Err()
	case err != nil:
		return internal("captcha verification process failed", err)
	case !ok:
		return errCaptcha(cleanText(strings.Join(reasons, ", "), 512))
	}
	return nil
}

func errCaptcha(why string) error {
	return badRequest("captcha_failed", "captcha protection: request disallowed (%s)", why)
}
