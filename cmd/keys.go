package cmd

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/suparust/suparust/server"
)

type keysCommand struct {
	Show   keysShowCommand   `cmd:"" default:"withargs" help:"Print the keys."`
	Rotate keysRotateCommand `cmd:"" help:"Replace the JWT secret, and with it all keys, in the environment file."`
	Token  keysTokenCommand  `cmd:"" help:"Sign a token for a role or a user."`
}

// Help is shown by `suparust keys --help`.
func (keysCommand) Help() string {
	return `The keys derive from the JWT secret: the anon and service role keys are tokens signed with it.

Examples:

    suparust keys
    suparust keys rotate
    suparust keys token --role service_role
    suparust keys token --sub 7d9a3f5c-0f5e-4b5e-9c5e-0123456789ab
`
}

type keysShowCommand struct {
	Output  string `help:"Print as text, json, env, yaml or toml, with the names of the Supabase CLI." short:"o" enum:"text,json,env,yaml,toml" default:"text" placeholder:"FORMAT"`
	Workdir string `help:"Use the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
}

// Help is shown by `suparust keys show --help`.
func (keysShowCommand) Help() string {
	return `The server need not run: the keys are those that it has, or will have at its next start.

Examples:

    suparust keys
    suparust keys show -o env
    suparust --profile test keys show -o json
`
}

// Run prints the keys.
func (c keysShowCommand) Run(a *app) error {
	s, err := a.settings(settingFlags{Workdir: c.Workdir})
	if err != nil {
		return err
	}
	if s.config.NeedsSecret() {
		return errors.New("there is no JWT secret yet: run `suparust start` once, which makes one, or set SUPARUST_JWT_SECRET")
	}
	keys, err := s.config.CompleteKeys()
	if err != nil {
		return err
	}
	all := keyValues(keys)
	if encode := encodings[c.Output]; encode != nil {
		return encode(a.Out, all)
	}
	printNames(a.Out, all, true)
	return nil
}

// keyValues are the keys by the names of the Supabase CLI.
func keyValues(keys server.Keys) map[string]string {
	all := map[string]string{"PUBLISHABLE_KEY": keys.PublishableKey, "SECRET_KEY": keys.SecretKey, "JWT_SECRET": keys.JWTSecret,
		"ANON_KEY": keys.AnonKey, "SERVICE_ROLE_KEY": keys.ServiceRoleKey}
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	return all
}

type keysTokenCommand struct {
	Role      string        `help:"The role of the database that requests with the token act as." default:"authenticated" placeholder:"ROLE"`
	Sub       string        `help:"The user's id, a UUID: what auth.uid() returns." placeholder:"UUID"`
	Claims    string        `help:"Further claims, a JSON object; they win over the flags." placeholder:"JSON"`
	ExpiresIn time.Duration `help:"How long the token is accepted." default:"1h" placeholder:"DURATION"`
	Workdir   string        `help:"Use the project in DIR, the folder that contains supabase/." placeholder:"DIR" type:"path"`
}

// Help is shown by `suparust keys token --help`.
func (keysTokenCommand) Help() string {
	return `Signs with the signing key where the settings name one, else with the JWT secret, as the server does.

Examples:

    suparust keys token --role service_role --expires-in 10m
    suparust keys token --sub 7d9a3f5c-0f5e-4b5e-9c5e-0123456789ab
    suparust keys token --sub 7d9a3f5c-0f5e-4b5e-9c5e-0123456789ab --claims '{"app_metadata": {"tenant": "acme"}}'
    curl -H "apikey: $ANON_KEY" -H "Authorization: Bearer $(suparust keys token --role editor)" $API_URL/rest/v1/notes
`
}

// Run prints the token.
func (c keysTokenCommand) Run(a *app) error {
	claims := map[string]any{"role": c.Role}
	if c.Sub != "" {
		id, err := uuid.Parse(c.Sub)
		if err != nil {
			return usageError{fmt.Sprintf("--sub: %q is no UUID; give the id of a user, or another subject with --claims '{\"sub\": …}'", c.Sub)}
		}
		claims["sub"] = id.String()
	}
	if c.ExpiresIn <= 0 {
		return usageError{"--expires-in: a token must expire later than now, such as 10m or 24h"}
	}
	s, err := a.settings(settingFlags{Workdir: c.Workdir})
	if err != nil {
		return err
	}
	now := time.Now()
	claims["iat"], claims["exp"] = now.Unix(), now.Add(c.ExpiresIn).Unix()
	claims["aud"] = cmp.Or(s.config.Auth.Audience, "authenticated")
	if iss := cmp.Or(s.config.Auth.Issuer, s.config.Auth.ExternalURL); iss != "" {
		claims["iss"] = iss
	}
	if c.Claims != "" {
		var more map[string]any
		if err := json.Unmarshal([]byte(c.Claims), &more); err != nil || more == nil {
			return usageError{`--claims: write a JSON object such as '{"app_metadata": {"tenant": "acme"}}'`}
		}
		maps.Copy(claims, more)
	}
	token, err := s.config.SignToken(claims)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Out, token)
	return nil
}
