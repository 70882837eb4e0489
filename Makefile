# The commands that developers use; .ci/run is what must pass.

LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: build test race lint bench fuzz bundle bundled clean

build: ## bin/suparust
	go build -trimpath -o bin/suparust ./cmd/suparust

test: ## every test, the client suite too when Node is there
	go test ./...

race:
	go test -race ./...

lint:
	go vet ./...
	go run $(LINT) run ./...

bench: ## the figures of docs/performance.md
	go test -run '^$$' -bench . -benchmem ./cmd ./server/pg ./server/pg/sidebyside ./suparusttest ./server ./server/internal/rest ./server/internal/auth ./server/internal/storage ./server/internal/storage/render

fuzz: ## every parser of hostile input, FUZZTIME each
	@for pkg in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    go test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-10s} $$pkg || exit 1; \
	  done; \
	done

bundle: ## PostgreSQL's programs as an archive for the next build
	go run ./server/pg/internal/bundle -o server/pg/embedded

bundled: bundle ## bin/suparust with PostgreSQL inside: one file, no download ever
	go build -trimpath -tags embedpg -o bin/suparust ./cmd/suparust

clean:
	rm -rf bin server/pg/embedded/postgres.*
