package container

// What is seen without a container.
var (
	Attach       = attach
	ServerEnv    = serverEnv
	ProjectFiles = projectFiles
	Refused      = refused
)

// StartWhenTold is the container's command.
const StartWhenTold = startWhenTold

// Endpoints are those of a server.
type Endpoints = endpoints

// APIOf is where the APIs are.
func APIOf(e Endpoints) string { return e.api }

// At makes them of addresses.
func At(api, control, database string) Endpoints { return endpoints{api, control, database} }
