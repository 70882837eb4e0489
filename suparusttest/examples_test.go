package suparusttest_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

var t *testing.T // of the test function that an example stands for

// examples are the functions of the files example_*_test.go, by their names.
var examples = map[string]func(){
	"AsRole": ExampleAsRole, "Attach": ExampleAttach, "AttachEnv": ExampleAttachEnv, "Client": ExampleClient,
	"Clock_Set": ExampleClock_Set, "Mailbox_List": ExampleMailbox_List, "Mailbox_Wait": ExampleMailbox_Wait,
	"Mailbox_Wait_sms": ExampleMailbox_Wait_sms, "Mailbox_WaitFor": ExampleMailbox_WaitFor, "Main": ExampleMain,
	"Server_AnswerHTTP": ExampleServer_AnswerHTTP, "Server_Branch": ExampleServer_Branch,
	"Server_ClearFaults": ExampleServer_ClearFaults, "Server_ClientWithClaims": ExampleServer_ClientWithClaims,
	"Server_clock": ExampleServer_clock, "Server_clock_cron": ExampleServer_clock_cron, "Server_Control": ExampleServer_Control,
	"Server_CreateSession": ExampleServer_CreateSession, "Server_CreateUser": ExampleServer_CreateUser,
	"Server_CreateUser_options": ExampleServer_CreateUser_options, "Server_Disconnect": ExampleServer_Disconnect,
	"Server_Environ": ExampleServer_Environ, "Server_Fault": ExampleServer_Fault, "Server_HTTPRequests": ExampleServer_HTTPRequests,
	"Server_Load": ExampleServer_Load, "Server_MailURL": ExampleServer_MailURL, "Server_NamedSnapshot": ExampleServer_NamedSnapshot,
	"Server_NextOAuthUser": ExampleServer_NextOAuthUser, "Server_OAuthIDToken": ExampleServer_OAuthIDToken,
	"Server_Pool": ExampleServer_Pool, "Server_Reset": ExampleServer_Reset, "Server_RunCron": ExampleServer_RunCron,
	"Server_SignIn": ExampleServer_SignIn, "Server_Snapshot": ExampleServer_Snapshot, "Server_Token": ExampleServer_Token,
	"Server_TOTP": ExampleServer_TOTP, "Start": ExampleStart, "Start_benchmark": ExampleStart_benchmark,
	"Start_fuzz": ExampleStart_fuzz, "WithClock": ExampleWithClock, "WithConfig": ExampleWithConfig,
	"WithDatabaseURL": ExampleWithDatabaseURL, "WithFixedCode": ExampleWithFixedCode, "WithFixtures": ExampleWithFixtures,
	"WithFixtures_brought": ExampleWithFixtures_brought, "WithHTTP": ExampleWithHTTP, "WithHTTP_oauth": ExampleWithHTTP_oauth, "WithHTTP_sql": ExampleWithHTTP_sql,
	"WithLogLevel": ExampleWithLogLevel, "WithMigrations": ExampleWithMigrations, "WithoutProject": ExampleWithoutProject,
	"WithPostgres": ExampleWithPostgres, "WithProject": ExampleWithProject, "WithSharedCluster": ExampleWithSharedCluster,
	"WithSnapshot": ExampleWithSnapshot, "WithSQLClock": ExampleWithSQLClock,
}

// TestExamples runs the examples as the tests they stand for, and misses none.
func TestExamples(outer *testing.T) {
	outer.Parallel()
	shortBenchmarks(outer)
	for name, example := range examples {
		outer.Run(name, func(inner *testing.T) {
			if strings.HasSuffix(strings.ToLower(name), "cron") {
				needsCron(inner)
			}
			t = inner
			example()
		})
	}
	for name := range exampleFuncs(outer) {
		if examples[name] == nil {
			outer.Errorf("Example%s is run by nobody", name)
		}
	}
}

// exampleFuncs are the bodies of the examples that stand in the files, by their
// names.
func exampleFuncs(tb testing.TB) map[string]*ast.BlockStmt {
	tb.Helper()
	bodies := map[string]*ast.BlockStmt{}
	for _, f := range declared(tb, func(file string) bool { return strings.HasSuffix(file, "_test.go") }) {
		if name, ok := strings.CutPrefix(f.Name.Name, "Example"); ok && f.Recv == nil {
			bodies[name] = f.Body
		}
	}
	return bodies
}

// declared are the functions and methods of the files that are chosen.
func declared(tb testing.TB, chosen func(file string) bool) (list []*ast.FuncDecl) {
	tb.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		if !chosen(file) {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			tb.Fatal(err)
		}
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				list = append(list, f)
			}
		}
	}
	return list
}

// TestEveryPowerHasAnExample: whatever the package exports to be called is
// called in an example.
func TestEveryPowerHasAnExample(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, body := range exampleFuncs(t) {
		ast.Inspect(body, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				shown[s.Sel.Name] = true
			}
			return true
		})
	}
	for _, f := range declared(t, func(file string) bool { return !strings.HasSuffix(file, "_test.go") }) {
		if ofExported := f.Recv == nil || ast.IsExported(receiver(f)); ofExported && f.Name.IsExported() && !shown[f.Name.Name] {
			t.Errorf("no example calls %s", strings.TrimPrefix(receiver(f)+"."+f.Name.Name, "."))
		}
	}
}

// receiver is the type that a method is of.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if p, ok := of.(*ast.StarExpr); ok {
		of = p.X
	}
	return of.(*ast.Ident).Name
}

// shortBenchmarks has the benchmarks of examples end at once.
func shortBenchmarks(outer *testing.T) {
	const rounds = "test.benchtime"
	asked := flag.Lookup(rounds).Value.String()
	outer.Cleanup(func() { _ = flag.Set(rounds, asked) }) // it was set before
	if err := flag.Set(rounds, "10x"); err != nil {
		outer.Error(err)
	}
}
