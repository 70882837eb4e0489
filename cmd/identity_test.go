package cmd

import "testing"

func TestIdentity(t *testing.T) {
	t.Parallel()
	tests := []struct{ profile, envFile, file, pid, port string }{
		{"", "", ".env", ".suparust.local.3000.pid", ""},
		{"test", "", ".env.test", ".suparust.profile.test.3000.pid", ""},
		{"supabase.test", "", ".env.supabase.test", ".suparust.profile.supabase.test.3000.pid", ""},
		{"", "prod.env", "prod.env", ".suparust.env.prod_env.3000.pid", ""},
		{"", "config/dev.env", "config/dev.env", ".suparust.env.dev_env.3000.pid", ""},
		{"", "../.env.staging", "../.env.staging", ".suparust.env.env_staging.3000.pid", ""},
	}
	for _, tt := range tests {
		id, err := newIdentity(tt.profile, tt.envFile)
		if err != nil {
			t.Fatal(err)
		}
		if id.file() != tt.file || id.pidFile(3000) != tt.pid {
			t.Errorf("%+v: file %s, PID file %s; want %s, %s", tt, id.file(), id.pidFile(3000), tt.file, tt.pid)
		}
		if port, ok := id.pidFilePort("some/where/" + tt.pid); !ok || port != 3000 {
			t.Errorf("port of %s = %d, %v", tt.pid, port, ok)
		}
	}
	profile, _ := newIdentity("test", "")
	for _, other := range []string{".suparust.profile.test.x.3000.pid", ".suparust.profile.test..pid", ".suparust.profile.tes.3000.pid", ".suparust.local.3000.pid",
		".suparust.profile.test.3000.pid.bak", ".suparust.profile.test.03000.pid", ".suparust.profile.test.-1.pid", "README.md"} {
		if port, ok := profile.pidFilePort(other); ok {
			t.Errorf("%s was taken for a PID file of the profile test, port %d", other, port)
		}
	}
	for _, bad := range [][2]string{{"a", "b"}, {"../x", ""}, {".hidden", ""}, {"a b", ""}} {
		if _, err := newIdentity(bad[0], bad[1]); err == nil {
			t.Errorf("profile %q with env file %q was accepted", bad[0], bad[1])
		}
	}
}
