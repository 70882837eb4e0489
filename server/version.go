package server

// Version is the release, set by the linker:
//
//	go build -ldflags "-X github.com/suparust/suparust/server.Version=v1.2.3"
var Version = "dev"
