# What people type; `make help` lists it. The work is done by cargo and by the
# short scripts in scripts/. No target needs to be run with sudo: the steps that
# need root ask for it.

PREFIX ?= /usr/local
DESTDIR ?=
# For bpf-verify: a kernel image to boot instead of Debian's; any text to write
# the records in the repository anew.
KERNEL ?=
RECORD ?=
# For bench: a part alone, rounds in place of seven; with RECORD, write the run
# into docs/overhead.md.
PART ?=
ROUNDS ?=
# For soak: how long, 30 if nothing is said.
MINUTES ?=
# For fuzz: how many seconds each target runs, 60 if nothing is said; some targets alone.
TIME ?=
TARGETS ?=
# For host-verify: releases of Debian, bookworm if nothing is said.
HOSTS ?=

target_dir := $(or $(CARGO_TARGET_DIR),target)
release := $(target_dir)/release/kerno
bindir := $(DESTDIR)$(PREFIX)/bin
# A node needs no fault lab.
image_features := --no-default-features --features k8s
# sudo only where the folder cannot be written.
as_installer = $(if $(shell d='$(bindir)'; while [ ! -e "$$d" ]; do d=$$(dirname "$$d"); done; \
	[ -w "$$d" ] && echo yes),,scripts/as-root)

.DEFAULT_GOAL := help
# apt and cargo would only wait for each other.
.NOTPARALLEL:
.PHONY: help setup build demo demo-agent demo-fleet image test lab lint fuzz deny msrv bpf-verify bpf-verify-arm64 bench soak install uninstall dist \
	dist-verify host-verify reproducible clean setup-build setup-test setup-kernels setup-bench setup-dist \
	setup-arm64 setup-hosts

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: setup-test setup-kernels ## Install what building and testing need and this machine lacks (apt)

setup-build:
	@scripts/setup build

setup-test:
	@scripts/setup test

setup-kernels:
	@scripts/setup kernels

setup-arm64:
	@scripts/setup arm64

setup-bench:
	@scripts/setup bench

setup-dist:
	@scripts/setup dist

setup-hosts:
	@scripts/setup hosts

build: setup-build ## Build the release binary, target/release/kerno
	cargo build --locked --release

demo: build ## Flood kerno's own DNS server on loopback and see what the doctor says
	@scripts/demo $(release)

demo-agent: build ## Leave kerno running while a fault comes and goes, and ask it afterwards
	@scripts/demo-agent $(release)

demo-fleet: setup-test build ## Run three nodes with a Prometheus, one with a fault, and ask kerno fleet
	@scripts/demo-fleet $(release)

image: setup-build ## Pack an image for containers, target/kerno-image.tar
	deploy/image "$$(scripts/build-static $(image_features))" $(target_dir)/kerno-image.tar

test: setup-test lint ## Run every check and every test (the tests as root)
	cargo test --locked --package typed-bpf --test compile_fail
	scripts/test
	scripts/test $(image_features) --test cli

lab: setup-test ## Make every fault of kerno chaos and print what the doctor finds (as root)
	scripts/test --test lab

lint: setup-build ## Check format, lints and documentation
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	cargo clippy --locked --no-default-features -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps

fuzz: setup-build ## Run every fuzz target for 60 seconds, on stable Rust (or TIME=300, TARGETS="record answer")
	@scripts/fuzz $(or $(TIME),60) $(TARGETS)

deny: ## Check licences, versions and sources of all crates (cargo-deny)
	@scripts/deny

msrv: setup-build ## Check that all crates build with the oldest Rust that is promised
	@scripts/msrv

bpf-verify: setup-kernels ## Boot every promised kernel and do kerno's job on it (or KERNEL=path/to/vmlinuz)
	@scripts/bpf-verify $(if $(KERNEL),--kernel '$(KERNEL)') $(if $(RECORD),--record)

bpf-verify-arm64: setup-arm64 ## The same with kernels and a kerno for arm64, booted in software
	@scripts/bpf-verify --arm64

bench: setup-bench build ## Measure what kerno costs, for minutes (as root; or PART=throughput, ROUNDS=2)
	@scripts/bench $(PART) $(if $(ROUNDS),--rounds '$(ROUNDS)') $(if $(RECORD),--record)

soak: build ## Let an agent run beside much that comes and goes, and hold it to its bounds (as root; or MINUTES=3)
	@scripts/soak $(MINUTES)

install: build ## Install kerno, its manual pages, completions and unit to PREFIX (/usr/local), under DESTDIR if that is set
	$(as_installer) scripts/stage $(release) '$(DESTDIR)' '$(PREFIX)' site-functions

uninstall: ## Remove what install put there
	$(as_installer) scripts/unstage '$(DESTDIR)' '$(PREFIX)'

dist: setup-dist ## Make the packages: .deb, .rpm, archive, image, checksums, in target/dist
	@scripts/dist amd64

dist-verify: dist ## Install, use, upgrade and remove each package in a clean Debian 12 made for it (as root)
	@scripts/dist-verify

host-verify: setup-hosts dist ## Boot a real Debian 12 (HOSTS=trixie: 13) and have the .deb do kerno's job there (as root)
	@scripts/host-verify $(HOSTS)

reproducible: setup-dist ## Make the packages twice in different folders: the same octets? (twice as long as make dist)
	@scripts/reproducible

clean: ## Remove everything that was built
	cargo clean
