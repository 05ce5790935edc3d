# casshook: build, test, demo. See README.md.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MODULE  := github.com/casshook/casshook
LDFLAGS := -s -w -X $(MODULE)/pkg/cli.Release=$(VERSION) -X $(MODULE)/pkg/agent.Release=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEMO ?=

.PHONY: build test test-unit test-ring lint demo demo-clean bench reference

build: ## static binaries in bin/
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

test: test-unit test-ring ## everything but the demo; needs Go, Java 17, Maven

test-unit: ## seconds, no Cassandra
	go test ./...

test-ring: ## real Cassandra rings, one package after the other
	go test -tags ring -p 1 -timeout 40m -count 1 ./test/...

lint:
	@test -z "$$(gofmt -l cmd pkg test)" || { gofmt -l cmd pkg test; echo "gofmt would change these files"; exit 1; }
	go vet ./...
	go vet -tags ring ./...
	go run $(STATICCHECK) -tags ring ./...

demo: build ## backup, disaster, restore and proof on a real ring of three nodes
	go run ./test/demo -bin bin $(DEMO)

demo-clean: ## remove all that the demo left
	go run ./test/demo -clean

bench: build ## times of backup and restore with 100 tables on three nodes
	go test -tags ring -run '^$$' -bench . -benchtime 1x -timeout 30m ./test/roundtrip

reference: ## regenerate docs/reference.md
	go test ./pkg/cli -run TestReference -update
