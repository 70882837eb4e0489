package container_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/suparust/suparust/suparusttest"
	"github.com/suparust/suparust/suparusttest/container"
)

var t *testing.T // of the test function that an example stands for

// image is one of the server.
var image = os.Getenv("SUPARUST_TEST_SERVER_IMAGE")

// TestExamples runs the examples as the tests they stand for.
func TestExamples(outer *testing.T) {
	for name, example := range map[string]func(){"Start": ExampleStart, "WithServerImage": ExampleWithServerImage} {
		outer.Run(name, func(inner *testing.T) {
			if name == "WithServerImage" && image == "" {
				inner.Skip("SUPARUST_TEST_SERVER_IMAGE names no image of the server")
			}
			t = inner
			example()
		})
	}
}

func ExampleStart() {
	srv := container.Start(t, container.WithServer(suparusttest.WithSQL(`
		create extension vector schema extensions;
		create table places (id int primary key, at extensions.vector(2));
	`)))
	srv.ServiceClient().Post(t, "/rest/v1/places", `{"id":1,"at":"[3,4]"}`).WantStatus(t, http.StatusCreated)
}

func ExampleWithServerImage() {
	// docker build -f ci/Dockerfile -t suparust .
	srv := container.Start(t, container.WithServerImage(image), container.WithProject("testdata/project"))
	ann := srv.CreateUser(t, "ann@example.com")
	srv.Clock.Advance(2 * time.Hour) // the powers of suparusttest's handle
	srv.ClientAs(ann).Get(t, "/auth/v1/user").WantStatus(t, http.StatusForbidden)
	srv.Reset(t)
}
