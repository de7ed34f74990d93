# Nothing but Go is needed, and gcc for the race detector. Tools are pinned in internal/tools/go.mod
# and built by the go command when they are first used.

SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -c

LINT = go tool -modfile=internal/tools/go.mod golangci-lint
T = 60s
SEEDS = 1000
ROUNDS = 5
BACKEND = relay
SIZE = 256MiB
RUNS = lost,killed,stopped,checkpoints
SCENARIOS = $(basename $(notdir $(wildcard netem/scenarios/*.yaml)))

.PHONY: help check fix test race lint cross sim fuzz bench bench-transport transfer-big demo flood lab lab-guest slow ci

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

check: ## all that must hold before a commit; changes nothing
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not formatted (make fix): $$files"; exit 1; fi
	go vet ./...
	go vet -C internal/linkbench/peers ./...
	go fix -diff ./...
	go mod tidy -diff
	$(LINT) run ./...
	go test -race ./...

fix: ## format, modernise and rewrite golden files; read the diff
	go fix ./...
	gofmt -w .
	go test -count=1 $$(go list -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./... | awk '/internal\/golden/ {print $$1}') -update

test: ## run the tests
	go test ./...

race: ## run the tests with the race detector
	go test -race ./...

lint: ## run golangci-lint
	$(LINT) run ./...

cross: ## compile everything, tests included, for systems that are not Linux
	GOOS=darwin go vet ./...
	GOOS=windows go vet ./...

sim: ## simulate: SEEDS=1000, or SEED=0x2a to repeat a run
	go run ./cmd/vrnode sim $(if $(SEED),--seed $(SEED) -v,--seeds $(SEEDS))

# That its time was over while it wrote something down is no finding of a fuzz target, though go test
# says "context deadline exceeded" and fails.
fuzz: ## run every fuzz target for T=60s
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	go test -list '^Fuzz' ./... | awk '/^Fuzz/ {names[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, names[i]; n = 0}' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		if ! go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(T) $$package | tee "$$log" && \
			{ grep -q 'Failing input' "$$log" || ! grep -q '^ *context deadline exceeded$$' "$$log"; }; then exit 1; fi; \
	done

bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

bench-transport: ## the transport against the kernel at its best, and beside others; Linux, in namespaces of its own; ROUNDS=5
	go build -o bin/linkbench ./internal/linkbench
	go build -C internal/linkbench/peers -o $(CURDIR)/bin/linkpeers
	bin/linkbench -rounds $(ROUNDS) -peers bin/linkpeers $(if $(OUTPUT),-o $(OUTPUT))

demo: ## see a group lose its primary
	go run ./cmd/vrnode demo

flood: ## a group with and without a flood of datagrams from outside, for T=60s each
	go test -v -count=1 ./internal/siege -args -for $(T)

transfer-big: ## a group with a state of SIZE=256MiB, or 2GiB; RUNS=lost,killed,stopped,checkpoints, the third for T=60s; Linux
	go build -o bin/vrnode ./cmd/vrnode
	go build -o bin/transferbig ./internal/transferbig
	bin/transferbig -size $(SIZE) -runs $(RUNS) -stopped $(T) $(if $(OUTPUT),-o $(OUTPUT))

lab: ## run every scenario on the relay; or BACKEND=netem, SCENARIOS="lan-baseline primary-crash"
	go build -o bin/vrnode ./cmd/vrnode
	@failed=0; for s in $(SCENARIOS); do \
		for try in 1 2 3; do \
			echo "$$s on $(BACKEND), try $$try"; bin/vrnode lab matrix $$s --backend $(BACKEND); code=$$?; \
			[ $$code -eq 4 ] || break; \
		done; \
		[ $$code -eq 0 ] || failed=1; \
	done; exit $$failed

lab-guest: ## the same with real netem, in a guest; it wants qemu, and a kernel: see vrnode lab doctor
	$(MAKE) lab BACKEND=guest SCENARIOS="$(filter-out lost-view-change,$(SCENARIOS))" # a kernel does not know messages

slow: ## the tests that boot a guest kernel and a browser; without them they say what is missing
	go test -v -count=1 ./netem/guest -args -boot
	go test -v -count=1 ./netem/report -args -browser

ci: ## all of it, with short slices of fuzzing and simulation
	.ci/run
