# Everything a newcomer types; CI calls the same targets.
SHELL := /bin/sh
ARGS ?=
FILE ?=
VAR_DIR ?= var
export API_PORT PROCESSOR_PORT SANDBOX_PORT DEMO_PASSWORD SANDBOX_DAYS OURA_API_KEY OURA_USER
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: help run test check format bench backup restore collect lock browser
help:
	@echo "make run      start everything; Ctrl-C stops it"
	@echo "make collect  one collection now (ARGS=\"--days 3\")"
	@echo "make test     run all tests (ARGS=\"-k name\")"
	@echo "make check    formatter, linter, types, migrations, deployment checks"
	@echo "make bench    the performance table"
	@echo "make backup   the database to a file (FILE=)"
	@echo "make restore  the database from a file (FILE=, else the newest)"
	@echo "make lock     pin the dependencies anew"

.venv/ready:
	@if [ -z "$(PYTHON)" ]; then echo "myhealth needs Python 3.11 or newer: install it, then try again." >&2; exit 1; fi
	@$(PYTHON) -m venv .venv || { echo "Python's venv is missing: install it (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@touch $@

.venv/run.installed: requirements.txt | .venv/ready
	@echo "Installing what myhealth needs (about a minute, once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/dev.installed: requirements-dev.txt | .venv/ready
	@echo "Installing what the tests need (about a minute, once)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

run: .venv/run.installed
	@exec $(BIN)/python -m myhealth.run

collect: .venv/run.installed
	@exec $(BIN)/python -m myhealth.run collect $(ARGS)

test: .venv/dev.installed browser
	$(BIN)/python -m pytest $(ARGS)

browser:
	@command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && echo "Installing Chromium for the browser tests…" \
	       && apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends chromium >/dev/null; } \
	  || { echo "The browser tests need Chromium or Chrome: install one, then try again." >&2; exit 1; }

check: .venv/dev.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	LOCAL=on $(BIN)/python manage.py makemigrations --check --dry-run
	env -u LOCAL SERVICE=api DB_HOST=db.example SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
	  JWT_SECRET="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
	  ALLOWED_HOSTS=health.example PUBLIC_URL=https://health.example \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING

format: .venv/dev.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev.installed
	$(BIN)/python -m tests.bench $(ARGS)

backup: .venv/run.installed
	@$(BIN)/python -m myhealth.embedded backup $(VAR_DIR) $(FILE)

restore: .venv/run.installed
	@$(BIN)/python -m myhealth.embedded restore $(VAR_DIR) $(FILE)

lock: .venv/ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt
