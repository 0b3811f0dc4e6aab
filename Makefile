# One command each; make alone lists them.

.DEFAULT_GOAL := help
.PHONY: help demo build test lint fuzz bench idle failure docs release test-go test-js test-chart test-compose test-release
.DELETE_ON_ERROR:

JS       := loadtest/js
MODULES  := $(JS)/node_modules/.package-lock.json
CLIENT   := $(JS)/node_modules/socket.io-client/dist
PEERS    := loadtest/peers
PEERMODULES := $(PEERS)/node/node_modules/.package-lock.json
SCENARIO ?= fanout
FUZZTIME ?= 20s
ARGS     ?=
VERSION  ?= $(shell git describe --tags --always 2>/dev/null | sed s/^v//)

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build $(MODULES) ## Run everything in one process, with a chat page (ARGS="--listen :3000")
	@exec bin/patchbay demo --client-dir $(CLIENT) $(ARGS)

build: ## Build the programs into bin/
	@mkdir -p bin
	CGO_ENABLED=0 go build -o bin/ ./cmd/... ./examples/...

test: build lint test-go test-chart test-js ## What CI runs: build, lint, Go tests, tests with real clients and a browser

# The architecture test comes first: it is quick, and its faults explain others.
test-go:
	go test ./internal/architecture
	go test -race ./...
	go test -race -tags invariants ./gateway/... ./loadtest/cluster/...

test-js: build $(MODULES)
	cd $(JS) && node run.js

# Helm and Kubernetes' types are in a module of their own, which nobody who builds Patchbay needs.
test-chart:
	cd deploy/tools && go vet ./... && go test -count=1 ./... # they run programs of the tree, which the cache does not know

lint: ## Check formatting, vet, staticcheck and the lock file
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt is needed by:" $$unformatted; exit 1; fi
	go vet ./...
	go vet -tags invariants ./gateway/...
	go tool staticcheck ./...
	go tool staticcheck -tags invariants ./gateway/...
	@if grep -n '"resolved"\|https\?://' $(JS)/package-lock.json || grep -n '"resolved"' $(PEERS)/node/package-lock.json; then echo "the lock file must not name hosts"; exit 1; fi

fuzz: ## Fuzz every decoder and a live cluster, FUZZTIME each (20s)
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done

bench: ## Run the benchmarks of the hot paths
	go test -run '^$$' -bench . -benchmem ./...

idle: build ## Measure what 15,000 idle WebSocket clients cost a gateway
	go run ./loadtest/compare -serve patchbay -load "idle --clients 15000"

.PHONY: load compare tls
load: build ## Measure a cluster for some seconds (SCENARIO=fanout ARGS="--clients 2000")
	@go run ./loadtest/compare -serve patchbay -load "$(SCENARIO) $(ARGS)"

# A peer that cannot be had is left out, and the page says so.
compare: build ## Measure Patchbay and its peers in turn; writes docs/benchmarks.md (20 minutes; wants node, npm, redis-server)
	@mkdir -p bin/peers
	go build -o bin/peers/ ./$(PEERS)/floor
	@cd $(PEERS)/zishang && go build -o $(CURDIR)/bin/peers/ . || echo "the Go port cannot be built: it is left out" >&2
	@$(MAKE) --no-print-directory $(PEERMODULES) || echo "the packages of the Node peers cannot be installed: they are left out" >&2
	go run ./loadtest/compare $(ARGS)

tls: build ## Measure what TLS costs a gateway, and HAProxy in its place (4 minutes; wants haproxy)
	go run ./loadtest/tls $(ARGS)

$(PEERMODULES): $(PEERS)/node/package.json $(PEERS)/node/package-lock.json
	npm ci --prefix $(PEERS)/node --ignore-scripts --no-audit --no-fund
	@touch $@

docs: ## Write the pages that are made from the code
	go test ./cmd/patchbay -run TestMetricsPage -update

release: ## Make binaries, images, chart, SBOM and checksums in dist/ (VERSION=1.2.3)
	@git diff --quiet HEAD || { echo "commit first: a release is made of what is committed"; exit 1; }
	@rm -rf dist
	go run ./deploy/release -version $(VERSION) -revision $$(git rev-parse HEAD) -time $$(git log -1 --format=%ct) -out dist
	@cat dist/SHA256SUMS

test-release: ## Make a release twice, in different places, and compare every byte
	deploy/test-release

test-compose: build $(MODULES) ## Run docker-compose.yml with a Docker engine of its own (root; docker.io, iptables, docker-compose)
	deploy/test-compose

failure: build $(MODULES) ## Measure what each failure looks like (ROWS="router" for some of them)
	cd $(JS) && node failure.js $(ROWS)

$(MODULES): $(JS)/package.json $(JS)/package-lock.json
	npm ci --prefix $(JS) --ignore-scripts --no-audit --no-fund
	@touch $@
