# casshook: build, test, demo. See README.md.
VERSION ?= $(shell cat VERSION)
MODULE  := github.com/casshook/casshook
LDFLAGS := -s -w -X $(MODULE)/pkg/cli.Release=$(VERSION) -X $(MODULE)/pkg/agent.Release=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEMO ?=
ARCH ?= amd64
STAGE ?= bin/stage/$(ARCH)
E2E ?=
# The tests are a module of their own, so that the product's go.mod has only what the product uses.
TESTS := go -C test
TAGS := ring,kube,clean,debian,btrfs
# FULL=1 has the suites run all that they have: the tests with the build tag full, too. docs/developing.md says what that is.
FULL ?=
SUITE := $(if $(FULL),$(shell echo ,full))
# How many tests with rings or datacenters of their own run at once.
PARALLEL ?= 2
E2E_PARALLEL ?= 3
RINGS = $(shell cd test && grep -rlE --include='*_test.go' '^//go:build ring( && $(if $(FULL),,!)full)?$$' . | xargs -n 1 dirname | sort -u)
LAB := $(TESTS) run ./lab/cmd/lab

.PHONY: build stage image lab-up lab-down lab-status lab-purge lab-image e2e test-lab test-clean demo-k8s test test-all test-unit test-ring lint demo demo-clean bench reference

build: ## static binaries in bin/, the agents for both architectures in bin/agents/
	@mkdir -p bin/agents
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...
	for arch in amd64 arm64; do \
	  CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build -trimpath -ldflags '$(LDFLAGS)' -o bin/agents/casshook-agent-linux-$$arch ./cmd/casshook-agent || exit 1; done

stage: build ## root of the image for ARCH in STAGE
	@mkdir -p $(STAGE)/casshook && mkdir -p -m 1777 $(STAGE)/tmp
	cp -R bin/agents $(STAGE)/casshook/
	cp bin/agents/casshook-agent-linux-$(ARCH) $(STAGE)/casshook/casshook-agent
	CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) go build -trimpath -ldflags '$(LDFLAGS)' -o $(STAGE)/casshook/casshook ./cmd/casshook

image: ## OCI and docker archives of the image for both architectures in bin/image/, without Docker
	rm -rf bin/stage bin/image
	for arch in amd64 arm64; do $(MAKE) --no-print-directory stage ARCH=$$arch STAGE=bin/stage/$$arch || exit 1; done
	$(TESTS) run ./pack -version $(VERSION) -stage $(CURDIR)/bin/stage -out $(CURDIR)/bin/image

test: test-unit test-ring ## unit tests, and the tests on real Cassandra; needs Go, a C compiler, Java 17, Maven

test-all: ## all that there is, once, in full; needs what make lab-up needs
	$(MAKE) FULL=1 test
	$(MAKE) test-clean
	$(MAKE) test-lab
	$(MAKE) FULL=1 e2e
	$(MAKE) demo-k8s
	$(MAKE) lab-down

test-unit: ## no Cassandra; with the race detector
	go test -race ./...
	$(TESTS) test -race ./...

test-ring: ## real Cassandra rings, one package after the other; FULL=1 for all of them
	$(TESTS) test -tags ring$(SUITE) -p 1 -parallel $(PARALLEL) -timeout 60m -count 1 -v $(RINGS)

lint:
	@test -z "$$(gofmt -l cmd pkg test)" || { gofmt -l cmd pkg test; echo "gofmt would change these files"; exit 1; }
	go mod tidy -diff
	$(TESTS) mod tidy -diff
	go vet -tags $(TAGS) ./...
	$(TESTS) vet -tags $(TAGS) ./...
	$(TESTS) vet -tags $(TAGS),full ./...
	go run $(STATICCHECK) -tags $(TAGS) ./...
	$(TESTS) run $(STATICCHECK) -tags $(TAGS),full ./...
	go -C test/lab/kube/modules/csi vet ./...

lab-up: ## a real single-node Kubernetes on this machine; needs root, Linux, Go, Java 17, Maven, Debian
	$(LAB) kube up

lab-down: ## end it; its data and images stay
	$(LAB) kube down

lab-status: ## its processes, node and pods
	$(LAB) kube status

lab-purge: ## end it and remove its data and images; with ALL=1 the built programs, too
	$(LAB) kube purge $(if $(ALL),--all)

# The image that the tests' hook pods run; on another cluster $CASSHOOK_IMAGE names one that it can pull.
lab-image:
	$(MAKE) --no-print-directory stage ARCH=amd64 STAGE=bin/stage/amd64
	$(TESTS) run ./pack -name casshook.lab/casshook -version e2e -arch amd64 -stage $(CURDIR)/bin/stage -out $(CURDIR)/bin/lab
	$(LAB) kube load $(CURDIR)/bin/lab/casshook-e2e-amd64.tar

e2e: ## end to end in Kubernetes: in the lab, or where $KUBECONFIG points; FULL=1 for all of it
	$(if $(KUBECONFIG),,$(MAKE) --no-print-directory lab-up lab-image)
	$(TESTS) test -tags kube$(SUITE) -parallel $(E2E_PARALLEL) -count 1 -timeout 90m -v ./e2e $(E2E)

test-lab: ## the lab itself: up, killed, down, what is left
	go -C test/lab/kube/modules/csi test ./...
	$(TESTS) test -tags kube -count 1 -timeout 30m -v ./lab/kube

test-clean: ## the cleaner on real nodes, also killed at random times: minutes, and not part of test
	$(TESTS) test -tags clean -p 1 -count 1 -timeout 40m -v ./clean

demo: build ## backup, disaster, restore and proof on a real ring of three nodes
	$(TESTS) run ./demo -bin $(CURDIR)/bin $(DEMO)

demo-k8s: build ## the same in Kubernetes, with hooks in pods: in the lab, or where $KUBECONFIG points
	$(if $(KUBECONFIG),,$(MAKE) --no-print-directory lab-up lab-image)
	$(TESTS) run ./demo-k8s -bin $(CURDIR)/bin $(if $(CASSHOOK_IMAGE),-image $(CASSHOOK_IMAGE)) $(DEMO)

demo-clean: ## remove all that the demo left
	$(TESTS) run ./demo -clean

bench: build ## times of backup and restore with 100 tables on three nodes
	$(TESTS) test -tags ring -run '^$$' -bench . -benchtime 1x -timeout 30m ./roundtrip

reference: ## regenerate docs/reference.md
	go test ./pkg/cli -run TestReference -update
