package auth

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

// router lists every route. A guard on a subtree stands before its unknown
// paths and wrong methods too, so that those answer 401 first.
func (h *Handler) router() http.Handler {
	r := chi.NewRouter()
	r.Get("/health", h.answer(h.health))
	r.Get("/settings", h.answer(h.settings))
	r.Get("/.well-known/jwks.json", h.answer(h.wellKnownKeys))
	r.Get("/.well-known/openid-configuration", h.answer(h.wellKnownOpenID))
	r.Get("/.well-known/oauth-authorization-server", h.answer(oauthServerDisabled))

	r.Get("/authorize", h.answer(h.authorize))
	r.Get("/callback", h.answer(h.callback))
	r.Post("/callback", h.answer(h.callback))

	r.With(h.requireCaptcha).Post("/signup", h.answer(h.signup))
	r.With(h.requireCaptcha).Post("/token", h.answer(h.token))
	r.With(h.limited(limitOTP), h.requireCaptcha).Post("/otp", h.answer(h.otp))
	r.With(h.limited(limitMagicLink), h.requireCaptcha).Post("/magiclink", h.answer(h.magicLink))
	r.With(h.limited(limitRecover), h.requireCaptcha).Post("/recover", h.answer(h.recoverPassword))
	r.With(h.limited(limitResend), h.requireCaptcha).Post("/resend", h.answer(h.resend))
	r.With(h.limited(limitVerify)).Get("/verify", h.answer(h.verifyLink))
	r.With(h.limited(limitVerify)).Post("/verify", h.answer(h.verifyCode))

	r.With(h.requireUser).Post("/logout", h.answer(h.logout))
	r.Route("/reauthenticate", func(r chi.Router) {
		r.Use(h.requireUser)
		r.Get("/", h.answer(h.reauthenticate))
	})
	r.Route("/user", func(r chi.Router) {
		r.Use(h.requireUser)
		r.Get("/", h.answer(h.getUser))
		r.With(h.limited(limitUser)).Put("/", h.answer(h.updateUser))
		r.Route("/identities", func(r chi.Router) {
			r.Use(h.requireManualLinking)
			r.Get("/authorize", h.answer(h.authorizeLink))
			r.Delete("/{identity_id}", h.answer(h.deleteIdentity))
		})
		r.Get("/oauth/grants", h.answer(oauthServerDisabled))
		r.Delete("/oauth/grants", h.answer(oauthServerDisabled))
	})
	r.Route("/factors", func(r chi.Router) {
		r.Use(h.requireUser, h.requirePermanent)
		r.Post("/", h.answer(h.enrollFactor))
		r.Post("/{factor_id}/challenge", h.answer(h.challengeFactor))
		r.Post("/{factor_id}/verify", h.answer(h.verifyFactor))
		r.Delete("/{factor_id}", h.answer(h.unenrollFactor))
	})
	r.With(h.requireAdmin).Post("/invite", h.answer(h.invite))
	r.Route("/admin", h.adminRoutes)
	h.disabledRoutes(r)
	return r
}

func (h *Handler) adminRoutes(r chi.Router) {
	r.Use(h.requireAdmin)
	r.Get("/users", h.answer(h.adminListUsers))
	r.Post("/users", h.answer(h.adminCreateUser))
	r.Post("/generate_link", h.answer(h.generateLink))
	r.Get("/audit", h.answer(h.adminAudit))
	r.Get("/sso/providers", h.answer(emptySSOProviders))
	r.Get("/custom-providers", h.answer(emptyCustomProviders))
	r.Route("/oauth", func(r chi.Router) { every(r, h.answer(oauthServerDisabled)) })
	r.Route("/users/{user_id}", func(r chi.Router) {
		r.Use(h.loadUser)
		r.Get("/", h.answer(h.adminGetUser))
		r.Put("/", h.answer(h.adminUpdateUser))
		r.Delete("/", h.answer(h.adminDeleteUser))
		r.Get("/factors", h.answer(h.adminListFactors))
		r.Put("/factors/{factor_id}", h.answer(h.adminUpdateFactor))
		r.Delete("/factors/{factor_id}", h.answer(h.adminDeleteFactor))
		r.Route("/passkeys", func(r chi.Router) { every(r, h.answer(passkeysDisabled)) })
	})
}

// every answers all methods and paths of a subtree alike.
func every(r chi.Router, fn http.HandlerFunc) {
	r.NotFound(fn)
	r.MethodNotAllowed(fn)
	r.HandleFunc("/", fn)
}
