package cmd

import (
	"os"
	"testing"

	"github.com/suparust/suparust/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m.Run)) }
