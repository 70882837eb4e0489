package oauth

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
)

// Services of people who make things: code hosts, design, hosting, notes.

func githubAccount(ctx context.Context, g *Grant) (*Account, error) {
	prefix := ""
	if !strings.HasSuffix(g.service.apiBase(), "api.github.com") {
		prefix = "/api/v3" // a server of one's own
	}
	var u struct {
		ID     int64  `json:"id"`
		Login  string `json:"login"`
		Name   string `json:"name"`
		Avatar string `json:"avatar_url"`
	}
	if err := g.get(ctx, prefix+"/user", &u); err != nil {
		return nil, err
	}
	var emails []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	if err := g.get(ctx, prefix+"/user/emails", &emails); err != nil {
		return nil, err
	}
	id := strconv.FormatInt(u.ID, 10)
	a := &Account{Claims: Claims{
		Issuer: g.service.apiBase() + prefix, Subject: id, Name: u.Name, PreferredUsername: u.Login,
		AvatarURL: u.Avatar, FullName: u.Name, ProviderID: id, UserName: u.Login,
	}}
	for _, e := range emails {
		if e.Email != "" {
			a.Emails = append(a.Emails, Email{e.Email, e.Verified, e.Primary})
		}
	}
	return a, nil
}

func githubAnswers(u FakeUser) map[string]any {
	emails := []any{}
	if u.Email != "" {
		emails = append(emails, map[string]any{"email": u.Email, "primary": true, "verified": !u.Unverified})
	}
	return map[string]any{
		"/user":        map[string]any{"id": u.number(), "login": u.Username, "name": u.Name, "avatar_url": u.Picture, "email": u.Email},
		"/user/emails": emails,
	}
}

func gitlabAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		ID        int64  `json:"id"`
		Email     string `json:"email"`
		Name      string `json:"name"`
		Avatar    string `json:"avatar_url"`
		Confirmed string `json:"confirmed_at"`
	}
	if err := g.get(ctx, "/api/v4/user", &u); err != nil {
		return nil, err
	}
	var emails []struct {
		Email string `json:"email"`
	}
	if err := g.get(ctx, "/api/v4/user/emails", &emails); err != nil {
		return nil, err
	}
	id := strconv.FormatInt(u.ID, 10)
	a := &Account{Claims: Claims{
		Issuer: g.service.apiBase(), Subject: id, Name: u.Name, Picture: u.Avatar, AvatarURL: u.Avatar, FullName: u.Name, ProviderID: id,
	}}
	for _, e := range emails { // whether they are confirmed is not told
		if e.Email != "" {
			a.Emails = append(a.Emails, Email{Address: e.Email})
		}
	}
	a.Emails = append(a.Emails, one(u.Email, u.Confirmed != "")...)
	return a, nil
}

func gitlabAnswers(u FakeUser) map[string]any {
	confirmed := "2020-01-01T00:00:00.000Z"
	if u.Unverified {
		confirmed = ""
	}
	return map[string]any{
		"/api/v4/user": map[string]any{"id": u.number(), "email": u.Email, "name": u.Name, "username": u.Username,
			"avatar_url": u.Picture, "confirmed_at": confirmed},
		"/api/v4/user/emails": []any{},
	}
}

func bitbucketAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		ID     string `json:"uuid"`
		Name   string `json:"display_name"`
		Avatar struct {
			Href string `json:"href"`
		} `json:"avatar"`
	}
	if err := g.get(ctx, "/user", &u); err != nil {
		return nil, err
	}
	var emails struct {
		Values []struct {
			Email     string `json:"email"`
			Primary   bool   `json:"is_primary"`
			Confirmed bool   `json:"is_confirmed"`
		} `json:"values"`
	}
	if err := g.get(ctx, "/user/emails", &emails); err != nil {
		return nil, err
	}
	a := &Account{Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: u.Name, Picture: u.Avatar.Href,
		AvatarURL: u.Avatar.Href, FullName: u.Name, ProviderID: u.ID,
	}}
	for _, e := range emails.Values {
		if e.Email != "" {
			a.Emails = append(a.Emails, Email{e.Email, e.Confirmed, e.Primary})
		}
	}
	return a, nil
}

func bitbucketAnswers(u FakeUser) map[string]any {
	values := []any{}
	if u.Email != "" {
		values = append(values, map[string]any{"email": u.Email, "is_primary": true, "is_confirmed": !u.Unverified})
	}
	return map[string]any{
		"/2.0/user":        map[string]any{"uuid": u.Subject, "display_name": u.Name, "avatar": map[string]any{"href": u.Picture}},
		"/2.0/user/emails": map[string]any{"values": values},
	}
}

func figmaAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		ID     string `json:"id"`
		Email  string `json:"email"`
		Name   string `json:"handle"`
		Avatar string `json:"img_url"`
	}
	if err := g.get(ctx, "/v1/me", &u); err != nil {
		return nil, err
	}
	return &Account{Emails: one(u.Email, true), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: u.Name, Email: u.Email, EmailVerified: true,
		AvatarURL: u.Avatar, FullName: u.Name, ProviderID: u.ID,
	}}, nil
}

func figmaAnswers(u FakeUser) map[string]any {
	return map[string]any{"/v1/me": map[string]any{"id": u.Subject, "email": u.Email, "handle": u.Name, "img_url": u.Picture}}
}

func flyAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		Owner         string            `json:"resource_owner_id"`
		ID            string            `json:"user_id"`
		Name          string            `json:"user_name"`
		Email         string            `json:"email"`
		Organizations []any             `json:"organizations"`
		Scope         []string          `json:"scope"`
		Application   map[string]string `json:"application"`
		CreatedAt     int64             `json:"created_at"`
	}
	if err := g.get(ctx, "/oauth/token/info", &u); err != nil {
		return nil, err
	}
	return &Account{Emails: one(u.Email, true), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, FullName: u.Name, Email: u.Email, EmailVerified: true, ProviderID: u.ID,
		Custom: map[string]any{"resource_owner_id": u.Owner, "organizations": u.Organizations, "application": u.Application,
			"scope": u.Scope, "created_at": u.CreatedAt},
	}}, nil
}

func flyAnswers(u FakeUser) map[string]any {
	return map[string]any{"/oauth/token/info": map[string]any{
		"resource_owner_id": u.Subject, "user_id": u.Subject, "user_name": u.Name, "email": u.Email,
		"organizations": []any{}, "scope": []string{"read"}, "application": map[string]string{},
	}}
}

func notionAccount(ctx context.Context, g *Grant) (*Account, error) {
	var n struct {
		Bot struct {
			Owner struct {
				User struct {
					ID     string `json:"id"`
					Name   string `json:"name"`
					Avatar string `json:"avatar_url"`
					Person struct {
						Email string `json:"email"`
					} `json:"person"`
				} `json:"user"`
			} `json:"owner"`
		} `json:"bot"`
	}
	if err := g.getWith(ctx, "/v1/users/me", map[string]string{"Notion-Version": "2021-08-16"}, &n); err != nil {
		return nil, err
	}
	u := n.Bot.Owner.User
	return &Account{Emails: one(u.Person.Email, true), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: u.Name, Picture: u.Avatar, AvatarURL: u.Avatar, FullName: u.Name, ProviderID: u.ID,
	}}, nil
}

func notionAnswers(u FakeUser) map[string]any {
	return map[string]any{"/v1/users/me": map[string]any{"bot": map[string]any{"owner": map[string]any{"user": map[string]any{
		"id": u.Subject, "name": u.Name, "avatar_url": u.Picture, "person": map[string]any{"email": u.Email},
	}}}}}
}

// vercelAccount takes the ID token, which must be there.
func vercelAccount(ctx context.Context, g *Grant) (*Account, error) {
	if g.IDToken == "" {
		return nil, errNoIDToken
	}
	return oidcAccount(ctx, g)
}

// workosAccount reads the profile that comes along with the tokens.
func workosAccount(_ context.Context, g *Grant) (*Account, error) {
	var p struct {
		ID           string `json:"id"`
		Connection   string `json:"connection_id"`
		Organization string `json:"organization_id"`
		Email        string `json:"email"`
		First        string `json:"first_name"`
		Last         string `json:"last_name"`
	}
	if raw := g.fields["profile"]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, err
		}
	}
	name := strings.TrimSpace(p.First + " " + p.Last)
	return &Account{Emails: one(p.Email, true), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: p.ID, Name: name, FullName: name, ProviderID: p.ID,
		Custom: map[string]any{"connection_id": p.Connection, "organization_id": p.Organization},
	}}, nil
}

func keycloakAccount(ctx context.Context, g *Grant) (*Account, error) {
	claims := map[string]any{}
	if err := g.get(ctx, "/protocol/openid-connect/userinfo", &claims); err != nil {
		return nil, err
	}
	text := func(name string) string { s, _ := claims[name].(string); return s }
	verified, _ := claims["email_verified"].(bool)
	c := Claims{
		Issuer: g.service.apiBase(), Subject: text("sub"), Name: text("name"), Email: text("email"), EmailVerified: boolean(verified),
		FullName: text("name"), ProviderID: text("sub"), Custom: claims,
	}
	for _, own := range []string{"name", "sub", "email", "email_verified"} {
		delete(claims, own)
	}
	return &Account{Emails: one(c.Email, verified), Claims: c}, nil
}

func keycloakAnswers(u FakeUser) map[string]any {
	return map[string]any{"/protocol/openid-connect/userinfo": u.standardClaims()}
}
