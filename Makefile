# Everything works in .venv at the root. `make demo` and `make test` set it up by themselves.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
TRAIN_READY := .venv/.train-ready
TORCH := 2.13.0

# Losses, both training loops with their interruptions, the student: a minute or two.
SHORT := relevance_losses relevance_fit train_loop student

.PHONY: demo test test-all test-train test-train-short lint bench audit train-env lock clean

demo: $(READY)
	$(BIN)/python scripts/demo.py $(ARGS)

test: $(READY) lint
	$(BIN)/python -m pytest

test-all: $(READY) lint
	$(BIN)/python -m pytest -m "not train"
	@if [ -f $(TRAIN_READY) ]; then $(MAKE) test-train; else echo "PyTorch tests left out: make train-env adds them"; fi

# Known vulnerabilities of the locked packages; says so where the advisories cannot be reached.
audit:
	PYTHON=$(PYTHON) scripts/audit.sh

test-train: $(TRAIN_READY)
	$(BIN)/python -m pytest -m train

test-train-short: $(TRAIN_READY)
	$(BIN)/python -m pytest -m train $(SHORT:%=tests/training/test_%.py)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/run_all.py

train-env: $(TRAIN_READY)

# PyTorch goes in first and by itself, so that nothing else can choose a build gigabytes larger.
$(TRAIN_READY): requirements-train.lock $(READY)
	$(BIN)/pip install --quiet torch==$(TORCH)
	$(BIN)/pip install --quiet -r requirements-train.lock
	touch $@

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or say make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

# uv only resolves here; it installs nothing.
lock: $(READY)
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header -q -o requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-out
