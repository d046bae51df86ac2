# Two commands matter: `make demo` runs the main job, `make test` runs every test.
# Everything they fetch or build stays in ignored folders of this checkout (third_party/, target/).

CARGO ?= cargo
PREFIX ?= $(if $(CARGO_HOME),$(CARGO_HOME),$(HOME)/.cargo)
AUTOML = target/release/automl
DEBUG = $(or $(CARGO_TARGET_DIR),target)/debug
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help demo test test-external build torch lint fmt bench bench-peers install clean

help:
	@echo "make demo     search MAL's learning rate and weight decay on the sample set, on this machine"
	@echo "make test     run every test"
	@echo "make test-external  run real trainers, sleap-nn and DREEM, in .external/ (2.5 GB, Python 3.12)"
	@echo "make build    build automl and the trainer in release mode"
	@echo "make install  put automl and automl-torch into $(PREFIX)/bin"
	@echo "make lint     check formatting and run clippy"
	@echo "make bench    run the benchmarks"
	@echo "make bench-peers  fetch other projects' samplers for \`cargo bench -p automl --bench quality\`"

# Puts libtorch into third_party/libtorch unless LIBTORCH or LIBTORCH_USE_PYTORCH names another one.
torch:
	@scripts/fetch-libtorch.sh

build: torch
	$(CARGO) build --release --locked -p automl-cli -p automl-torch

demo: build
	$(AUTOML) run --network mal --params train.lr,train.wd

test: torch
	python3 -m unittest discover -q -s examples/mal_sample
	python3 -m unittest discover -q -s examples/action_sample
	python3 -m unittest discover -q -s benches/quality
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --workspace --locked
else
	$(CARGO) test --workspace --locked --no-fail-fast
endif
	$(CARGO) build --locked -p automl-cli
	AUTOML="$(abspath $(DEBUG)/automl)" python3 -m unittest discover -q -s examples/ask_and_tell
	python3 scripts/serve_conformance.py $(DEBUG)/automl

# Searches over the real programs; PYTHON names a Python 3.12, ONLY=Searches.test_dreem one test.
test-external:
	tests/external/prepare.sh
	$(CARGO) build --release --locked -p automl-cli
	cd tests/external && ../../.external/venv/bin/python -m unittest -v $(addprefix test_external.,$(ONLY))

lint: torch
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

bench: build
	$(CARGO) bench --locked -p automl -p automl-cli -p automl-config -p automl-scrape

# Other projects' samplers in virtual environments of their own. torch, the largest part, is in two of them, as HEBO and Ax need
# different gpytorch: some 12 GB with the CUDA libraries that its usual wheels ask for, far less with
# `PEERS_PIP="--extra-index-url URL"` naming an index of CPU builds.
bench-peers:
	set -e; for environment in main torch ax; do \
		python3 -m venv "benches/quality/.venv/$$environment"; \
		"benches/quality/.venv/$$environment/bin/pip" install --prefer-binary --no-cache-dir $(PEERS_PIP) \
			--requirement "benches/quality/requirements/$$environment.txt"; \
	done

# The trainer finds libtorch beside itself in ../lib/automl.
install: build
	mkdir -p "$(PREFIX)/bin" "$(PREFIX)/lib/automl"
	install -m 755 $(AUTOML) target/release/automl-torch "$(PREFIX)/bin/"
	scripts/copy-libtorch.sh "$(PREFIX)/lib/automl"
	@echo "automl and automl-torch are in $(PREFIX)/bin"

clean:
	$(CARGO) clean
