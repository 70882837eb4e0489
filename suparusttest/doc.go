// Package suparusttest gives a Go test its own Supabase: a PostgreSQL and a
// server for the REST, Auth and Storage APIs, on free ports, gone when the test
// ends.
//
//	func TestNotes(t *testing.T) {
//		t.Parallel()
//		srv := suparusttest.Start(t) // uses the supabase/ folder of the repository
//		ann := srv.CreateUser(t, "ann@example.com")
//		srv.ClientAs(ann).Post(t, "/rest/v1/notes", `{"body":"hello"}`).WantStatus(t, 201)
//	}
//
// That and go test are all there is to run: PostgreSQL is found or fetched the
// first time, and nothing is left behind, however a test ends.
//
// # What a Supabase is
//
// A PostgreSQL whose tables are an HTTP API. The table public.notes is at
// /rest/v1/notes, where GET reads rows, POST adds, PATCH changes and DELETE
// removes some; ?id=eq.1 chooses which, and /rest/v1/rpc/name calls a function.
// /auth/v1 signs users up and in and hands out tokens, and /storage/v1 keeps
// files in buckets.
//
// Every request runs as a role of the database: anon for a visitor,
// authenticated for who brings the token of a user, service_role for the app's
// own server, which may do everything. What the first two may see and change is
// said by policies on the tables (row level security), where auth.uid() is the
// user's id. So most of what an app gets right or wrong is in its migrations,
// the files of supabase/migrations, and that is what tests are for.
//
// # Who asks
//
// [Server.Client] is a visitor, [Server.ClientAs] a user that [Server.CreateUser]
// has made, [Server.ClientWithClaims] whoever a token can name, and
// [Server.ServiceClient] the app's own server. [Server.SignIn],
// [Server.CreateSession] and [Server.Elevate] open further sessions, the last
// with a second factor; [Server.NextOAuthUser] signs in through Google and the
// like without them. [AsRole] runs SQL as a user, for the tests of policies
// alone, and [Server.Exec] and [Server.Pool] run it as the owner of all.
// Any other client takes [Server.URL] and [Server.AnonKey], a child process
// [Server.Environ].
//
// # What is there
//
// Start finds the project's supabase/ folder and applies its config.toml,
// migrations and seeds; [WithProject], [WithMigrations] and [WithoutProject] say
// otherwise, [WithSQL] and [WithConfig] add to it. [WithFixtures] loads named
// sets of rows, users and files; see the package fixtures, which brings some.
// A state that took long to make is kept with [Server.Snapshot] and
// [Server.Restore], or under a name with [Server.SaveSnapshot] and [WithSnapshot];
// [Server.Reset] goes back to what Start returned, and [Server.Branch] is another
// server that begins as this one is.
//
// # The world around it
//
// [Clock] moves the time of tokens, codes and limits, and with [WithSQLClock] that
// of SQL; jobs of pg_cron run as it is advanced, or by [Server.RunCron]. [Mailbox]
// has every mail and text message, with its code and link.
// [Server.AnswerHTTP] and [WithHTTP] answer whom the server asks by HTTP.
// [Server.Fault] makes requests fail, be slow or be cut, and [Server.Disconnect]
// ends the connections to the database, so that an app's own retries are seen.
//
// # Many tests
//
// The first Start of a process prepares a template of the database, once per
// content of the project, and keeps it in a cache; every further one is a copy of
// it in memory. While a test runs, the next ones' databases are made ready. Each
// test has everything of its own, so that t.Parallel is safe everywhere. [Main]
// gives all tests of a package the same options; [WithSharedCluster] spares
// memory.
//
// # When a test fails
//
// Its log shows the server's URL, the psql command, the last requests with their
// SQL and the end of the logs; go test -artifacts keeps them as files. Run one
// package with -suparust.keep to find the database of a failed test still there,
// with -suparust.serve that of every test: it waits for Ctrl-C before it ends, for
// ten minutes unless -timeout 0 is given.
//
// # A server that runs elsewhere
//
// [Attach] and [AttachEnv] make the same handle of a server in another process, and
// the module suparusttest/container of one in a container. What the handle can do
// other languages do through the server's control API: see [Server.Control].
package suparusttest
