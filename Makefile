# `make` alone lists the targets.

GO          ?= go
KERNEL      := $(shell uname -r)
OUT         ?= results/local/$(KERNEL).txt
PREFIX      ?= /usr/local
DESTDIR     ?=
TESTFLAGS   ?=
BENCHFLAGS  ?=
PROGRAMS    := ./cmd/zombench ./cmd/zombied
# Two builds of one commit are the same bytes, and carry its version.
BUILDFLAGS  := -trimpath -buildvcs=auto
BENCHSTAT   := $(GO) tool benchstat -col kernel -ignore cpu,cgroup,page-size,vm,node,program

.DEFAULT_GOAL := help
.PHONY: help build test torture bench bench-quick bench-spawning bench-reaping bench-kernels inits compare compare-kernels recorded report explain man install packages guests image image-guests test-modules lint clean test-engines test-kubernetes

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build zombied and zombench into bin/
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o bin/ $(PROGRAMS)

# Signals that nohup or a shell's & left ignored would be missed by the tests.
test: ## run the tests; as root they create real zombies
	env --default-signal $(GO) test -race $(TESTFLAGS) ./...

# The record has a line for each round; an interrupted campaign continues from there.
TORTUREFLAGS ?= -torture 1000 -for 5m -record $(CURDIR)/results/local/torture.txt
torture: ## as root, interrupt runs at random for 5 minutes and check that nothing is left behind
	@mkdir -p results/local
	$(GO) test -count=1 -timeout 0 -v -run TestTorture ./bench/torture $(TORTUREFLAGS)

bench: build ## measure this kernel in 2 minutes into results/local/
	@mkdir -p $(dir $(OUT))
	bin/zombench run --budget 2m $(BENCHFLAGS) -o $(OUT)

bench-quick: build ## the same in half a minute: small armies, few samples
	@mkdir -p results/local
	bin/zombench run --count 200,400 --parallel 1,50 --samples 3 $(BENCHFLAGS) -o results/local/quick.txt

bench-spawning: build ## time how fast zombies are created, by zombied and other programs (4 minutes)
	@mkdir -p results/local
	bin/zombench run spawning --raise-limits $(BENCHFLAGS) -o results/local/spawning.txt

bench-reaping: build ## measure how zombies are reaped (3 minutes)
	@mkdir -p results/local
	bin/zombench run reaping $(BENCHFLAGS) -o results/local/reaping.txt

inits: build ## test the inits on PATH: tini, dumb-init, catatonit
	@mkdir -p results/local
	bin/zombench run inits -o results/local/inits.txt

bench-kernels: build ## measure other kernels in QEMU: oldest, stable, newest, arm64
	bin/zombench kernels run -o results/local/kernels

compare-kernels: ## compare the recorded kernels by benchstat
	$(GO) tool benchstat -row .name -col kernel -ignore /count,/parallel,/spawn,cpu,cgroup,page-size,vm,node,program results/recorded/*.txt

recorded: ## write the page and the pictures about the recorded kernels
	$(GO) run ./results/recorded/page results/recorded

compare: ## compare two result files: make compare OLD=a.txt NEW=b.txt
	@test -r "$(OLD)" -a -r "$(NEW)" || { echo 'usage: make compare OLD=a.txt NEW=b.txt, two readable files' >&2; exit 2; }
	$(BENCHSTAT) $(OLD) $(NEW)

report: build ## summarize what was measured: make report [FILES="a.txt b.txt"]
	bin/zombench report $(if $(FILES),$(FILES),$(OUT))

explain: build ## break a zombie's memory down by slab cache
	bin/zombench explain

# Packages of one commit are the same bytes: its time is that of all their files.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)

# Pages and completion are written by programs that run here, whatever GOARCH is built.
man: ## write manual pages into man/
	mkdir -p man
	env -u GOARCH CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o bin/native/ $(PROGRAMS)
	bin/native/zombench man man
	env -u GOARCH CGO_ENABLED=0 $(GO) run $(BUILDFLAGS) -tags man ./cmd/zombied man

SHARE = $(DESTDIR)$(PREFIX)/share
install: build man ## install programs, pages, completion, a systemd unit: make install PREFIX=/usr
	install -D -t $(DESTDIR)$(PREFIX)/bin bin/zombench bin/zombied
	install -D -m 644 -t $(SHARE)/man/man1 man/*.1
	cd $(SHARE) && mkdir -p bash-completion/completions zsh/site-functions fish/vendor_completions.d
	for program in zombench zombied; do \
		bin/native/$$program completion bash >$(SHARE)/bash-completion/completions/$$program && \
		bin/native/$$program completion zsh >$(SHARE)/zsh/site-functions/_$$program && \
		bin/native/$$program completion fish >$(SHARE)/fish/vendor_completions.d/$$program.fish || exit; \
	done
	mkdir -p $(DESTDIR)$(PREFIX)/lib/systemd/system
	bin/native/zombench watch --print unit | sed 's,/usr/local/bin,$(PREFIX)/bin,' \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/zombench-watch.service

packages: guests ## make debs, rpms and apks in bin/: zombench, and zombench-guests
	rm -rf bin/root bin/*.deb bin/*.rpm bin/*.apk
	$(MAKE) --no-print-directory install DESTDIR=bin/root PREFIX=/usr
	for format in deb rpm apk; do for package in nfpm guests; do \
		VERSION=$$($(GO) version -m bin/zombench | awk '$$1 == "mod" { print $$3 ~ /^v/ ? $$3 : "0.0.0" }') ARCH=$$($(GO) env GOARCH) \
		env -u GOARCH $(GO) tool -modfile=cmd/package/go.mod nfpm package -f cmd/package/$$package.yaml -p $$format -t bin/ || exit; \
	done; done

# With these, nodes need neither Go nor this source.
GUESTS ?= 386 amd64 arm arm64 loong64 mips64le ppc64le riscv64 s390x
guests: ## build what kernels run --guest bin/guests boots, for every architecture
	rm -rf bin/guests
	for arch in $(GUESTS); do \
		CGO_ENABLED=0 GOARCH=$$arch GOARM=7 $(GO) build $(BUILDFLAGS) -ldflags='-s -w' -o bin/guests/$$arch/ ./cmd/zombench/guest ./cmd/zombied || exit; \
	done

IMAGE ?= localhost/zombench:latest
image: build ## make a container image of the programs in bin/image.tar, without an engine
	cd cmd/package && $(GO) run ./image -o ../../bin/image.tar -tag $(IMAGE) -arch $$($(GO) env GOARCH) ../../bin/zombench ../../bin/zombied

image-guests: build guests ## the same with the guests' programs in a second layer, in bin/image-guests.tar
	cd cmd/package && $(GO) run ./image -o ../../bin/image-guests.tar -tag $(IMAGE)-guests -arch $$($(GO) env GOARCH) -guests ../../bin/guests ../../bin/zombench ../../bin/zombied

# Modules of their own keep what they depend on out of the programs.
MODULES := cmd/package bench/fleet/kubernetes
test-modules: ## run the tests of the nested modules: packages, image, Kubernetes
	for module in $(MODULES); do $(GO) -C $$module vet ./... && $(GO) -C $$module test ./... || exit; done

KERNELS ?= $(wildcard $(HOME)/.cache/zombench/kernels/amd64-*-cloud/vmlinuz)
test-engines: build guests ## as root, try the recipes of zombench fleet on Slurm, clush and Ansible
	bench/fleet/test-engines $(KERNELS)

# Some 20 minutes from nothing on 2 CPUs; what was built before is kept.
KUBERNETES := v1.37.2
KUBEFLAGS  := -s -w $(foreach p,k8s.io/component-base k8s.io/client-go/pkg,-X $(p)/version.gitVersion=$(KUBERNETES)) -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37
test-kubernetes: build ## as root, build Kubernetes, and measure a cluster of two nodes and 1000 made up
	mkdir -p bin/kubernetes
	for module in kubernetes kwok containerd; do \
		CGO_ENABLED=0 $(GO) -C bench/fleet/kubernetes/cluster/$$module build -trimpath -ldflags="$(KUBEFLAGS)" -o $(CURDIR)/bin/kubernetes/ tool || exit; \
	done
	CGO_ENABLED=0 $(GO) -C bench/fleet/kubernetes build -trimpath -o $(CURDIR)/bin/kubernetes/ ./zombench-collect
	bench/fleet/kubernetes/cluster/test bin/kubernetes

# govulncheck asks vuln.go.dev. If that cannot be reached, nothing was checked: a notice,
# not an error. Findings are errors (status 3).
lint: ## gofmt, go vet, staticcheck, spelling, known vulnerabilities
	@fmt="$$(gofmt -l .)"; test -z "$$fmt" || { echo "gofmt would change: $$fmt" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) tool misspell -error -i strat .
	@out="$$($(GO) tool govulncheck ./... 2>&1)" || case "$$out" in \
		*'fetching vulnerabilities'*) echo "NOT CHECKED for known vulnerabilities: $$out" >&2;; \
		*) echo "$$out" >&2; exit 1;; esac

clean: ## remove what was built; measured results stay
	rm -rf bin man
