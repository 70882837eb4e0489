package auth_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/suparust/suparust/server/internal/auth"
	"github.com/suparust/suparust/server/internal/mail"
)

// flows are calls that write to more than one table. Each prepares what it
// needs, and returns the call.
var flows = map[string]func(t *testing.T, f *fixture, n int) func() *response{
	"sign-up": func(t *testing.T, f *fixture, n int) func() *response {
		return func() *response {
			return f.post(t, "/signup", map[string]any{"email": email(n), "password": goodPassword, "data": map[string]any{"a": 1}})
		}
	},
	"sign-up, anonymous": func(t *testing.T, f *fixture, _ int) func() *response {
		return func() *response { return f.post(t, "/signup", map[string]any{}) }
	},
	"sign-in": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		return func() *response {
			return f.post(t, "/token?grant_type=password", map[string]any{"email": u.email, "password": u.password})
		}
	},
	"refresh": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		return func() *response { return f.refresh(t, u.refresh) }
	},
	confirmed: func(t *testing.T, f *fixture, n int) func() *response {
		return func() *response {
			return f.post(t, "/otp", map[string]any{"email": email(n), "code_challenge": strings.Repeat("c", 43), "code_challenge_method": "s256"})
		}
	},
	"magic link": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		return func() *response {
			return f.post(t, "/otp", map[string]any{"email": u.email, "code_challenge": strings.Repeat("c", 43), "code_challenge_method": "s256"})
		}
	},
	"recover": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		return func() *response { return f.post(t, "/recover", map[string]any{"email": u.email}) }
	},
	"verify a recovery": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		hash := f.admin(t, "POST", "/admin/generate_link", map[string]any{"type": "recovery", "email": u.email}).ok(t, 200).text("hashed_token")
		return func() *response { return f.post(t, "/verify", map[string]any{"type": "recovery", "token_hash": hash}) }
	},
	"verify an invitation": func(t *testing.T, f *fixture, n int) func() *response {
		hash := f.admin(t, "POST", "/admin/generate_link", map[string]any{"type": "invite", "email": email(n)}).ok(t, 200).text("hashed_token")
		return func() *response { return f.post(t, "/verify", map[string]any{"type": "invite", "token_hash": hash}) }
	},
	"change password, address and data": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		f.signIn(t, u) // a session that ends with the old password
		return func() *response {
			return f.as(t, u, "PUT", "/user", map[string]any{"password": "another horse", "email": "new-" + u.email, "data": map[string]any{"b": 2}})
		}
	},
	"second factor": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		f.signIn(t, u)
		r := f.as(t, u, "POST", "/factors", map[string]any{"factor_type": "totp"}).ok(t, 200)
		id, secret := r.text("id"), r.text("totp.secret")
		challenge := f.as(t, u, "POST", "/factors/"+id+"/challenge", nil).ok(t, 200).text("id")
		return func() *response {
			return f.as(t, u, "POST", "/factors/"+id+"/verify", map[string]any{"challenge_id": challenge, "code": totp(t, secret, f.clock.now())})
		}
	},
	"log out": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		return func() *response { return f.as(t, u, "POST", "/logout", nil) }
	},
	"admin creates": func(t *testing.T, f *fixture, n int) func() *response {
		return func() *response {
			return f.admin(t, "POST", "/admin/users", map[string]any{"email": email(n), "phone": fmt.Sprint(15550000000 + n), "password": goodPassword, "email_confirm": true})
		}
	},
	"admin updates": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		return func() *response {
			return f.admin(t, "PUT", "/admin/users/"+u.id, map[string]any{"email": "moved-" + u.email, "password": "another horse", "app_metadata": map[string]any{"c": 3}})
		}
	},
	"soft delete": func(t *testing.T, f *fixture, n int) func() *response {
		u := f.signUp(t, email(n))
		return func() *response {
			return f.admin(t, "DELETE", "/admin/users/"+u.id, map[string]any{"should_soft_delete": true})
		}
	},
	"invite": func(t *testing.T, f *fixture, n int) func() *response {
		return func() *response { return f.admin(t, "POST", "/invite", map[string]any{"email": email(n)}) }
	},
}

// confirmed is the flow of a server where new users confirm their address.
const confirmed = "otp of a new user"

func email(n int) string { return fmt.Sprintf("crash%d@example.com", n) }

// authTables are those that the flows write to.
var authTables = []string{"users", "identities", "sessions", "refresh_tokens", "mfa_amr_claims", "mfa_factors", "mfa_challenges", "one_time_tokens", "flow_state", "audit_log_entries"}

// TestCrashLeavesNothingHalf: whatever a flow was writing when its database
// connection died, nothing of it stays, no mail of it is out, and the server
// goes on.
//
//covers:auth 72
func TestCrashLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	for name, prepare := range flows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(c *auth.Config) { c.Email.RequireConfirmation = name == confirmed })
			f.exec(t, `create function public.crash() returns trigger language plpgsql security definer as $$
				begin
				  perform pg_terminate_backend(pg_backend_pid());
				  perform pg_sleep(60);
				  return null;
				end $$`)
			state := func() string {
				var all []string
				for _, table := range authTables {
					all = append(all, table+" "+f.value(t, "select count(*) || ' ' || coalesce(md5(string_agg(r::text, '' order by r::text)), '') from auth."+table+" r"))
				}
				return strings.Join(append(all, fmt.Sprint(len(f.box.List(mail.Filter{})), " messages")), "\n")
			}
			// the first time it is seen what the flow writes
			f.exec(t, `create table public.written (what text unique);
				create function public.note() returns trigger language plpgsql security definer as $$
				begin
				  insert into public.written values (tg_op || ' on auth.' || tg_table_name) on conflict do nothing;
				  return null;
				end $$`)
			call := prepare(t, f, 0)
			for _, table := range authTables {
				f.exec(t, "create trigger note after insert or update or delete on auth."+table+" for each row execute function public.note()")
			}
			if r := call(); r.status >= 300 {
				t.Fatalf("%d %s", r.status, r.raw)
			}
			for _, table := range authTables {
				f.exec(t, "drop trigger note on auth."+table)
			}
			writes := strings.Split(f.value(t, "select string_agg(what, ',' order by what) from public.written"), ",")
			if len(writes) < 2 {
				t.Fatalf("it writes %v only", writes)
			}
			for n, write := range writes {
				call := prepare(t, f, n+1)
				_, table, _ := strings.Cut(write, " on ")
				f.exec(t, "create trigger crash after "+write+" for each row execute function public.crash()")
				before := state()
				r := call()
				f.exec(t, "drop trigger crash on "+table)
				if r.status < 500 {
					t.Errorf("a crash at %s is answered %d %s", write, r.status, r.raw)
				}
				if after := state(); after != before {
					t.Errorf("a crash at %s leaves\n%s\nwhere there was\n%s", write, after, before)
				}
				if again := call(); again.status >= 300 {
					t.Errorf("after a crash at %s: %d %s", write, again.status, again.raw)
				}
			}
		})
	}
}
