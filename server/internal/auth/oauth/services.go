package oauth

import "net/url"

// specs is the table of the services.
var specs = map[string]spec{
	"apple": {
		auth: address{"appleid.apple.com", "/auth/authorize"}, token: address{"appleid.apple.com", "/auth/token"},
		api: address{"appleid.apple.com", ""}, scopes: []string{"email", "name"}, ownScopes: true, noURL: true, noExtras: true,
		extra: url.Values{"response_mode": {"form_post"}}, issuer: issuerApple, account: appleAccount,
	},
	"azure": {
		auth:  address{"login.microsoftonline.com/common", "/oauth2/v2.0/authorize"},
		token: address{"login.microsoftonline.com/common", "/oauth2/v2.0/token"},
		api:   address{"login.microsoftonline.com/common", ""}, scopes: []string{"openid"}, issuer: issuerAzure, account: azureAccount,
	},
	"bitbucket": {
		auth: address{"bitbucket.org", "/site/oauth2/authorize"}, token: address{"bitbucket.org", "/site/oauth2/access_token"},
		api: address{"api.bitbucket.org", "/2.0"}, scopes: []string{"account", "email"}, ownScopes: true,
		account: bitbucketAccount, answers: bitbucketAnswers,
	},
	"discord": {
		auth: address{"discord.com", "/api/oauth2/authorize"}, token: address{"discord.com", "/api/oauth2/token"},
		api: address{"discord.com", "/api"}, scopes: []string{"email", "identify"}, account: discordAccount, answers: discordAnswers,
	},
	"facebook": {
		auth: address{"www.facebook.com", "/dialog/oauth"}, token: address{"graph.facebook.com", "/oauth/access_token"},
		api:    address{"graph.facebook.com", "/me?fields=email,first_name,last_name,name,picture"},
		scopes: []string{"email"}, issuer: issuerFacebook, account: facebookAccount, answers: facebookAnswers,
	},
	"figma": {
		auth: address{"www.figma.com", "/oauth"}, token: address{"api.figma.com", "/v1/oauth/token"},
		api: address{"api.figma.com", ""}, scopes: []string{"current_user:read"}, account: figmaAccount, answers: figmaAnswers,
	},
	"fly": {
		auth: address{"api.fly.io", "/oauth/authorize"}, token: address{"api.fly.io", "/oauth/token"},
		api: address{"api.fly.io", ""}, scopes: []string{"read"}, account: flyAccount, answers: flyAnswers,
	},
	"github": {
		auth: address{"github.com", "/login/oauth/authorize"}, token: address{"github.com", "/login/oauth/access_token"},
		api: address{"api.github.com", ""}, scopes: []string{"user:email"}, account: githubAccount, answers: githubAnswers,
	},
	"gitlab": {
		auth: address{"gitlab.com", "/oauth/authorize"}, token: address{"gitlab.com", "/oauth/token"},
		api: address{"gitlab.com", ""}, scopes: []string{"read_user"}, account: gitlabAccount, answers: gitlabAnswers,
	},
	"google": {
		auth: address{"accounts.google.com", "/o/oauth2/v2/auth"}, token: address{"oauth2.googleapis.com", "/token"},
		api: address{"www.googleapis.com", "/userinfo/v2/me"}, scopes: []string{"email", "profile"}, noURL: true,
		issuer: issuerGoogle, account: googleAccount,
	},
	"kakao": {
		auth: address{"kauth.kakao.com", "/oauth/authorize"}, token: address{"kauth.kakao.com", "/oauth/token"},
		api: address{"kapi.kakao.com", ""}, scopes: []string{"account_email", "profile_image", "profile_nickname"}, secretInBody: true,
		issuer: issuerKakao, account: kakaoAccount, answers: kakaoAnswers,
	},
	"keycloak": {
		auth: address{"", "/protocol/openid-connect/auth"}, token: address{"", "/protocol/openid-connect/token"},
		api: address{"", ""}, scopes: []string{"profile", "email"}, needURL: true, account: keycloakAccount, answers: keycloakAnswers,
	},
	"linkedin": {
		auth: address{"api.linkedin.com", "/oauth/v2/authorization"}, token: address{"api.linkedin.com", "/oauth/v2/accessToken"},
		api: address{"api.linkedin.com", ""}, scopes: []string{"r_emailaddress", "r_liteprofile"},
		account: linkedinAccount, answers: linkedinAnswers,
	},
	"linkedin_oidc": {
		auth: address{"api.linkedin.com", "/oauth/v2/authorization"}, token: address{"api.linkedin.com", "/oauth/v2/accessToken"},
		api: address{"api.linkedin.com", ""}, scopes: []string{"openid", "email", "profile"}, issuer: issuerLinkedin, account: oidcAccount,
	},
	"notion": {
		auth: address{"api.notion.com", "/v1/oauth/authorize"}, token: address{"api.notion.com", "/v1/oauth/token"},
		api: address{"api.notion.com", ""}, ownScopes: true, account: notionAccount, answers: notionAnswers,
	},
	"slack": {
		auth: address{"slack.com", "/oauth/authorize"}, token: address{"slack.com", "/api/oauth.access"},
		api: address{"slack.com", "/api"}, scopes: []string{"profile", "email", "openid"}, account: slackAccount, answers: slackAnswers,
	},
	"slack_oidc": {
		auth: address{"slack.com", "/openid/connect/authorize"}, token: address{"slack.com", "/api/openid.connect.token"},
		api: address{"slack.com", "/api"}, scopes: []string{"profile", "email", "openid"}, account: slackOIDCAccount, answers: slackAnswers,
	},
	"snapchat": {
		auth: address{"accounts.snapchat.com", "/accounts/oauth2/auth"}, token: address{"accounts.snapchat.com", "/accounts/oauth2/token"},
		api: address{"kit.snapchat.com", "/v1/me"}, issuer: issuerSnapchat,
		scopes: []string{
			"https://auth.snapchat.com/oauth2/api/user.external_id",
			"https://auth.snapchat.com/oauth2/api/user.display_name",
			"https://auth.snapchat.com/oauth2/api/user.bitmoji.avatar",
		},
		account: snapchatAccount, answers: snapchatAnswers,
	},
	"spotify": {
		auth: address{"accounts.spotify.com", "/authorize"}, token: address{"accounts.spotify.com", "/api/token"},
		api: address{"api.spotify.com/v1", ""}, scopes: []string{"user-read-email"}, account: spotifyAccount, answers: spotifyAnswers,
	},
	"twitch": {
		auth: address{"id.twitch.tv", "/oauth2/authorize"}, token: address{"id.twitch.tv", "/oauth2/token"},
		api: address{"api.twitch.tv", ""}, scopes: []string{"user:read:email"}, account: twitchAccount, answers: twitchAnswers,
	},
	"twitter": {
		auth: address{"api.twitter.com", "/oauth/authenticate"}, token: address{"api.twitter.com", "/oauth/access_token"},
		api: address{"api.twitter.com", ""}, oauth1: true, account: twitterAccount, answers: twitterAnswers,
	},
	"vercel_marketplace": {
		auth: address{"api.vercel.com", "/oauth/v2/authorization"}, token: address{"api.vercel.com", "/oauth/v2/accessToken"},
		api: address{"api.vercel.com", ""}, issuer: issuerVercel, account: vercelAccount,
	},
	"workos": {
		auth: address{"api.workos.com", "/sso/authorize"}, token: address{"api.workos.com", "/sso/token"},
		api: address{"api.workos.com", ""}, ownScopes: true, account: workosAccount,
	},
	"x": {
		auth: address{"x.com", "/i/oauth2/authorize"}, token: address{"api.x.com", "/2/oauth2/token"},
		api: address{"api.x.com", ""}, scopes: []string{"users.email", "tweet.read", "users.read", "offline.access"}, pkce: true,
		account: xAccount, answers: xAnswers,
	},
	"zoom": {
		auth: address{"zoom.us", "/oauth/authorize"}, token: address{"zoom.us", "/oauth/token"},
		api: address{"api.zoom.us", "/v2"}, ownScopes: true, account: zoomAccount, answers: zoomAnswers,
	},
}

// Issuers of ID tokens.
const (
	issuerApple    = "https://appleid.apple.com"
	issuerApple2   = "https://account.apple.com"
	issuerGoogle   = "https://accounts.google.com"
	issuerFacebook = "https://www.facebook.com"
	issuerKakao    = "https://kauth.kakao.com"
	issuerLinkedin = "https://www.linkedin.com/oauth"
	issuerSnapchat = "https://accounts.snapchat.com/accounts/oauth2/token"
	issuerVercel   = "https://marketplace.vercel.com"
	// issuerAzure is the issuer of personal accounts.
	issuerAzure = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
)
