package oauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Services of people who talk, play and listen.

func discordAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		ID            string `json:"id"`
		Avatar        string `json:"avatar"`
		Discriminator string `json:"discriminator"`
		Email         string `json:"email"`
		Name          string `json:"username"`
		GlobalName    string `json:"global_name"`
		Verified      bool   `json:"verified"`
	}
	if err := g.get(ctx, "/users/@me", &u); err != nil {
		return nil, err
	}
	var picture string
	switch {
	case u.Avatar == "":
		n, err := strconv.Atoi(u.Discriminator)
		if err != nil {
			return nil, errors.New("its discriminator is no number")
		}
		picture = fmt.Sprintf("https://cdn.discordapp.com/embed/avatars/%d.png", n%5)
	case strings.HasPrefix(u.Avatar, "a_"): // an animation
		picture = "https://cdn.discordapp.com/avatars/" + u.ID + "/" + u.Avatar + ".gif"
	default:
		picture = "https://cdn.discordapp.com/avatars/" + u.ID + "/" + u.Avatar + ".png"
	}
	return &Account{Emails: one(u.Email, u.Verified), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: u.Name + "#" + u.Discriminator, Picture: picture,
		Custom:    map[string]any{"global_name": u.GlobalName},
		AvatarURL: picture, FullName: u.Name, ProviderID: u.ID,
	}}, nil
}

func discordAnswers(u FakeUser) map[string]any {
	return map[string]any{"/api/users/@me": map[string]any{
		"id": u.Subject, "username": u.Username, "global_name": u.Name, "discriminator": "0", "email": u.Email, "verified": !u.Unverified,
	}}
}

func facebookAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		ID      string `json:"id"`
		Email   string `json:"email"`
		First   string `json:"first_name"`
		Last    string `json:"last_name"`
		Alias   string `json:"name"`
		Picture struct {
			Data struct {
				URL string `json:"url"`
			} `json:"data"`
		} `json:"picture"`
	}
	proof := hmac.New(sha256.New, []byte(g.service.cfg.Secret))
	proof.Write([]byte(g.AccessToken))
	if err := g.get(ctx, "&appsecret_proof="+hex.EncodeToString(proof.Sum(nil)), &u); err != nil {
		return nil, err
	}
	name := strings.TrimSpace(u.First + " " + u.Last)
	picture := u.Picture.Data.URL
	return &Account{Emails: one(u.Email, true), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: name, NickName: u.Alias, Picture: picture,
		Slug: u.Alias, AvatarURL: picture, FullName: name, ProviderID: u.ID,
	}}, nil
}

func facebookAnswers(u FakeUser) map[string]any {
	first, last := u.names()
	return map[string]any{"/me": map[string]any{
		"id": u.Subject, "email": u.Email, "first_name": first, "last_name": last, "name": u.Name,
		"picture": map[string]any{"data": map[string]any{"url": u.Picture}},
	}}
}

func kakaoAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		ID      int64 `json:"id"`
		Account struct {
			Profile struct {
				Name  string `json:"nickname"`
				Image string `json:"profile_image_url"`
			} `json:"profile"`
			Email    string `json:"email"`
			Valid    bool   `json:"is_email_valid"`
			Verified bool   `json:"is_email_verified"`
		} `json:"kakao_account"`
	}
	if err := g.get(ctx, "/v2/user/me", &u); err != nil {
		return nil, err
	}
	id, p := strconv.FormatInt(u.ID, 10), u.Account.Profile
	return &Account{Emails: one(u.Account.Email, u.Account.Verified && u.Account.Valid), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: id, Name: p.Name, PreferredUsername: p.Name,
		AvatarURL: p.Image, FullName: p.Name, ProviderID: id, UserName: p.Name,
	}}, nil
}

func kakaoAnswers(u FakeUser) map[string]any {
	return map[string]any{"/v2/user/me": map[string]any{"id": u.number(), "kakao_account": map[string]any{
		"profile": map[string]any{"nickname": u.Name, "profile_image_url": u.Picture},
		"email":   u.Email, "is_email_valid": true, "is_email_verified": !u.Unverified,
	}}}
}

// localized is a name in several languages.
type localized struct {
	Localized map[string]string `json:"localized"`
	Preferred struct {
		Country  string `json:"country"`
		Language string `json:"language"`
	} `json:"preferredLocale"`
}

func (l localized) text() string { return l.Localized[l.Preferred.Language+"_"+l.Preferred.Country] }

func linkedinAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		ID      string    `json:"id"`
		First   localized `json:"firstName"`
		Last    localized `json:"lastName"`
		Picture struct {
			Display struct {
				Elements []struct {
					Identifiers []struct {
						Identifier string `json:"identifier"`
					} `json:"identifiers"`
				} `json:"elements"`
			} `json:"displayImage~"`
		} `json:"profilePicture"`
	}
	if err := g.get(ctx, "/v2/me?projection=(id,firstName,lastName,profilePicture(displayImage~:playableStreams))", &u); err != nil {
		return nil, err
	}
	var e struct {
		Elements []struct {
			Handle struct {
				Email string `json:"emailAddress"`
			} `json:"handle~"`
		} `json:"elements"`
	}
	if err := g.get(ctx, "/v2/emailAddress?q=members&projection=(elements*(handle~))", &e); err != nil {
		return nil, err
	}
	var email, picture string
	if len(e.Elements) > 0 {
		email = e.Elements[0].Handle.Email
	}
	if el := u.Picture.Display.Elements; len(el) > 0 && len(el[0].Identifiers) > 0 {
		picture = el[0].Identifiers[0].Identifier
	}
	name := strings.TrimSpace(u.First.text() + " " + u.Last.text())
	return &Account{Emails: one(email, true), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: name, Picture: picture, Email: email, EmailVerified: true,
		AvatarURL: picture, FullName: name, ProviderID: u.ID,
	}}, nil
}

func linkedinAnswers(u FakeUser) map[string]any {
	name := func(s string) map[string]any {
		return map[string]any{"localized": map[string]string{"en_US": s}, "preferredLocale": map[string]string{"country": "US", "language": "en"}}
	}
	first, last := u.names()
	return map[string]any{
		"/v2/me":           map[string]any{"id": u.Subject, "firstName": name(first), "lastName": name(last)},
		"/v2/emailAddress": map[string]any{"elements": []any{map[string]any{"handle~": map[string]any{"emailAddress": u.Email}}}},
	}
}

// slackUser is a user of Slack.
type slackUser struct {
	ID       string `json:"https://slack.com/user_id"`
	Team     string `json:"https://slack.com/team_id"`
	Email    string `json:"email"`
	Verified bool   `json:"email_verified"`
	Name     string `json:"name"`
	Picture  string `json:"picture"`
}

func (u slackUser) account(g *Grant, verified bool) *Account {
	return &Account{Emails: one(u.Email, verified), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: u.Name, Picture: u.Picture,
		Custom:    map[string]any{"https://slack.com/team_id": u.Team},
		AvatarURL: u.Picture, FullName: u.Name, ProviderID: u.ID,
	}}
}

// slackAccount takes every address for verified: the older API does not tell.
func slackAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u slackUser
	if err := g.get(ctx, "/openid.connect.userInfo", &u); err != nil {
		return nil, err
	}
	return u.account(g, true), nil
}

func slackOIDCAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u slackUser
	if err := g.get(ctx, "/openid.connect.userInfo", &u); err != nil {
		return nil, err
	}
	return u.account(g, u.Verified), nil
}

func slackAnswers(u FakeUser) map[string]any {
	c := u.standardClaims()
	c["https://slack.com/user_id"], c["https://slack.com/team_id"] = u.Subject, "T0001"
	return map[string]any{"/api/openid.connect.userInfo": c}
}

func snapchatAccount(ctx context.Context, g *Grant) (*Account, error) {
	var s struct {
		Data struct {
			Me struct {
				ID      string `json:"externalId"`
				Name    string `json:"displayName"`
				Email   string `json:"email"`
				Bitmoji struct {
					Avatar string `json:"avatar"`
				} `json:"bitmoji"`
			} `json:"me"`
		} `json:"data"`
	}
	query := url.Values{"query": {"{me { externalId displayName bitmoji { avatar id } email } }"}}
	if err := g.get(ctx, "?"+query.Encode(), &s); err != nil {
		return nil, err
	}
	u := s.Data.Me
	return &Account{Emails: one(u.Email, true), Claims: Claims{
		Issuer: issuerSnapchat, Subject: u.ID, Name: u.Name, Picture: u.Bitmoji.Avatar,
		Slug: u.Name, AvatarURL: u.Bitmoji.Avatar, FullName: u.Name, ProviderID: u.ID,
	}}, nil
}

func snapchatAnswers(u FakeUser) map[string]any {
	return map[string]any{"/v1/me": map[string]any{"data": map[string]any{"me": map[string]any{
		"externalId": u.Subject, "displayName": u.Name, "email": u.Email, "bitmoji": map[string]any{"avatar": u.Picture},
	}}}}
}

func spotifyAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		ID     string `json:"id"`
		Name   string `json:"display_name"`
		Email  string `json:"email"`
		Images []struct {
			URL    string `json:"url"`
			Height int    `json:"height"`
			Width  int    `json:"width"`
		} `json:"images"`
	}
	if err := g.get(ctx, "/me", &u); err != nil {
		return nil, err
	}
	picture, size := "", -1
	for _, i := range u.Images { // the largest
		if i.Height*i.Width > size {
			picture, size = i.URL, i.Height*i.Width
		}
	}
	return &Account{Emails: one(u.Email, false), Claims: Claims{ // whether it is verified is not told
		Issuer: g.service.apiBase(), Subject: u.ID, Name: u.Name, Picture: picture, AvatarURL: picture, FullName: u.Name, ProviderID: u.ID,
	}}, nil
}

func spotifyAnswers(u FakeUser) map[string]any {
	images := []any{}
	if u.Picture != "" {
		images = append(images, map[string]any{"url": u.Picture, "height": 64, "width": 64})
	}
	return map[string]any{"/v1/me": map[string]any{"id": u.Subject, "display_name": u.Name, "email": u.Email, "images": images}}
}

func twitchAccount(ctx context.Context, g *Grant) (*Account, error) {
	var t struct {
		Data []struct {
			ID          string    `json:"id"`
			Login       string    `json:"login"`
			Name        string    `json:"display_name"`
			Type        string    `json:"type"`
			Broadcaster string    `json:"broadcaster_type"`
			Description string    `json:"description"`
			Image       string    `json:"profile_image_url"`
			Offline     string    `json:"offline_image_url"`
			Views       int       `json:"view_count"`
			Email       string    `json:"email"`
			CreatedAt   time.Time `json:"created_at"`
		} `json:"data"`
	}
	if err := g.getWith(ctx, "/helix/users", map[string]string{"Client-Id": g.service.ClientID()}, &t); err != nil {
		return nil, err
	}
	if len(t.Data) == 0 {
		return nil, errors.New("it names none")
	}
	u := t.Data[0]
	return &Account{Emails: one(u.Email, true), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Picture: u.Image, Name: u.Login, NickName: u.Name,
		Custom: map[string]any{"broadcaster_type": u.Broadcaster, "description": u.Description, "type": u.Type,
			"offline_image_url": u.Offline, "view_count": u.Views},
		Slug: u.Name, AvatarURL: u.Image, FullName: u.Login, ProviderID: u.ID,
	}}, nil
}

func twitchAnswers(u FakeUser) map[string]any {
	return map[string]any{"/helix/users": map[string]any{"data": []any{map[string]any{
		"id": u.Subject, "login": u.Username, "display_name": u.Name, "profile_image_url": u.Picture, "email": u.Email,
	}}}}
}

func xAccount(ctx context.Context, g *Grant) (*Account, error) {
	var x struct {
		Data struct {
			ID        string `json:"id"`
			Name      string `json:"name"`
			Username  string `json:"username"`
			Email     string `json:"confirmed_email"`
			Image     string `json:"profile_image_url"`
			URL       string `json:"url"`
			CreatedAt string `json:"created_at"`
		} `json:"data"`
	}
	if err := g.get(ctx, "/2/users/me?user.fields=id,name,username,confirmed_email,profile_image_url,url,created_at", &x); err != nil {
		return nil, err
	}
	u := x.Data
	return &Account{Emails: one(u.Email, true), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: u.Name, PreferredUsername: u.Username, Picture: u.Image,
		Profile: "https://x.com/" + u.Username, Website: u.URL, Custom: map[string]any{"created_at": u.CreatedAt},
		AvatarURL: u.Image, FullName: u.Name, ProviderID: u.ID, UserName: u.Username,
	}}, nil
}

func xAnswers(u FakeUser) map[string]any {
	return map[string]any{"/2/users/me": map[string]any{"data": map[string]any{
		"id": u.Subject, "name": u.Name, "username": u.Username, "confirmed_email": u.Email, "profile_image_url": u.Picture,
	}}}
}

func zoomAccount(ctx context.Context, g *Grant) (*Account, error) {
	var u struct {
		ID       string `json:"id"`
		First    string `json:"first_name"`
		Last     string `json:"last_name"`
		Email    string `json:"email"`
		Verified int    `json:"verified"`
		Login    string `json:"login_type"`
		Picture  string `json:"pic_url"`
	}
	if err := g.get(ctx, "/users/me", &u); err != nil {
		return nil, err
	}
	name := strings.TrimSpace(u.First + " " + u.Last)
	// users of type 100 signed up with an address, which they may not have
	// confirmed; those of every other service have
	return &Account{Emails: one(u.Email, u.Login != "100" || u.Verified != 0), Claims: Claims{
		Issuer: g.service.apiBase(), Subject: u.ID, Name: name, Picture: u.Picture, AvatarURL: u.Picture, FullName: name, ProviderID: u.ID,
	}}, nil
}

func zoomAnswers(u FakeUser) map[string]any {
	first, last := u.names()
	verified := 1
	if u.Unverified {
		verified = 0
	}
	return map[string]any{"/v2/users/me": map[string]any{
		"id": u.Subject, "first_name": first, "last_name": last, "email": u.Email, "verified": verified, "login_type": "100", "pic_url": u.Picture,
	}}
}
