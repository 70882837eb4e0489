package cmd

import (
	"os/exec"
	"testing"

	"github.com/joho/godotenv"
)

// awkward are values that lines of an environment must carry unharmed.
var awkward = []string{"", "plain", "a b", "it's", `"quoted"`, "#no comment", "$HOME", "a=b", "`id`", `back\slash`, "postgresql://u:p%40@h:1/d?x=1&y=2"}

func TestShellLine(t *testing.T) {
	t.Parallel()
	for _, value := range awkward {
		line := shellLine("X", value)
		out, err := exec.CommandContext(t.Context(), "sh", "-c", line+`printf %s "$X"`).Output()
		if err != nil || string(out) != value {
			t.Errorf("%q: a shell reads %q, %v", line, out, err)
		}
		if value == "it's" {
			continue // readers of environment files know no way to write it that shells know, too
		}
		env, err := godotenv.Unmarshal(line)
		if err != nil || env["X"] != value {
			t.Errorf("%q: an environment file has %q, %v", line, env["X"], err)
		}
	}
}

func TestGithubLine(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"a b":            "X=a b\n",
		"a\nb":           "X<<END_OF_X\na\nb\nEND_OF_X\n",
		"a\nEND_OF_X\nb": "X<<END_OF_X_\na\nEND_OF_X\nb\nEND_OF_X_\n",
	} {
		if got := githubLine("X", value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
