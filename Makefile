# The commands of this project; `make` lists them. Needs make and Python 3.11 or newer.

MAKEFLAGS += --no-print-directory
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	command -v $$python >/dev/null 2>&1 \
	&& $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv/bin/python
INSTALL := $(VENV) -m myhealth.local.install
# With extras in the lock file: otherwise pip does not accept the pin of `coverage` for `coverage[toml]`.
LOCK := pip compile --quiet --generate-hashes --universal --no-strip-extras --python-version 3.11

.DEFAULT_GOAL := help
.PHONY: help run open password collect test check audit bench backup restore lock browser pgbouncer \
	wrk image image-check

help: ## list these commands
	@sed -n 's/^__version__ = "\(.*\)"/myhealth \1/p' myhealth/__init__.py
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

run: .venv/static.stamp ## start everything: http://localhost:8000/ (Ctrl-C stops it)
	@STATIC_ROOT=.venv/static $(VENV) -m myhealth.local.run

open: .venv/run.stamp ## show the address of the running myhealth, and open it in a browser
	@$(VENV) -m myhealth.local.run open

# Not the USER of the environment, which is the one of this machine.
password: .venv/run.stamp ## show the password, while `make run` is running: make password USER=me
	@$(VENV) -m myhealth.local.run password "$(if $(filter command,$(origin USER)),$(USER))"

collect: .venv/run.stamp ## collect now, while `make run` is running: make collect ARGS="--days 3"
	@$(VENV) -m myhealth.local.run collect $(ARGS)

# Whatever the environment says, with compiled files: tests start many processes.
test: .venv/dev.stamp browser pgbouncer ## run all tests, or some of them: make test ARGS="-k sleep"; for longer tests: TEST_SCALE=full make test
	@PYTHONDONTWRITEBYTECODE= $(VENV) -m pytest -n 4 $(ARGS)

check: .venv/dev.stamp ## check format, lint, types, migrations and deployment settings
	@$(VENV) -m ruff format --check .
	@$(VENV) -m ruff check .
	@$(VENV) -m mypy .
	@$(VENV) manage.py makemigrations --check --dry-run
	@env LOCAL=off SERVICE=api DB_HOST=localhost ALLOWED_HOSTS=example.org \
		PUBLIC_URL=https://example.org \
		SECRET_KEY=$$($(VENV) -c 'import secrets; print(secrets.token_urlsafe(50))') \
		JWT_SECRET=$$($(VENV) -c 'import secrets; print(secrets.token_urlsafe(50))') \
		$(VENV) manage.py check --deploy --fail-level WARNING

audit: | $(VENV) ## look for known vulnerabilities in the dependencies, and list all dependencies in var/sbom.json
	@$(VENV) deploy/tools/audit.py

bench: .venv/dev.stamp wrk ## measure performance, or only a part: make bench ARGS="--only sleep"
	@$(VENV) -m bench $(ARGS)

backup: .venv/run.stamp ## back up the embedded database to var/backups/, or to FILE=
	@$(VENV) -m myhealth.local.run backup "$(FILE)"

restore: .venv/run.stamp ## restore the embedded database from the newest backup, or from FILE=
	@$(VENV) -m myhealth.local.run restore "$(FILE)"

image: ## build the container image, with or without a container daemon
	@deploy/image/build

image-check: .venv/dev.stamp ## build the image and test it as Kubernetes would run it (needs root)
	@BUILDER=buildah deploy/image/build
	@. deploy/image/buildah.sh && need runc
	@$(VENV) deploy/image/check.py

lock: | $(VENV) ## pin the newest versions of all dependencies
	@$(VENV) -m pip install -qq --disable-pip-version-check --upgrade uv
	@for name in requirements requirements-local requirements-dev; do \
		.venv/bin/uv $(LOCK) --upgrade $$name.in -o $$name.txt || exit 1; done

browser:
	@command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 \
	|| test -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
	|| if test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Chromium for the browser tests"; \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; \
	else \
		echo "Install Chromium or Chrome, which the browser tests need." >&2; exit 1; \
	fi

# The tests with it are skipped where it is missing.
pgbouncer:
	@command -v pgbouncer >/dev/null 2>&1 \
	|| if test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing PgBouncer for the tests of connection poolers …"; \
		apt-get update -qq && RUNLEVEL=1 apt-get install -qq -y --no-install-recommends pgbouncer \
			>/dev/null; \
	fi

wrk:
	@command -v wrk >/dev/null 2>&1 \
	|| if test "$$(id -u)" = 0 && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing wrk, which sends the requests …"; \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends wrk >/dev/null; \
	else \
		echo "Install wrk, which sends the requests of the benchmark." >&2; exit 1; \
	fi

# A stamp is newer than its requirements, so nothing is installed twice.
.venv/run.stamp: requirements-local.txt | $(VENV)
	@$(INSTALL) requirements-local.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt | $(VENV)
	@$(INSTALL) requirements-dev.txt
	@touch .venv/run.stamp $@

# What browsers load, compressed and under names that they may keep.
.venv/static.stamp: .venv/run.stamp $(wildcard */static/*/*)
	@STATIC_ROOT=.venv/static $(INSTALL) static
	@touch $@

$(VENV):
	@test -n "$(PYTHON)" \
		|| { echo "myhealth needs Python 3.11 or newer: https://www.python.org/downloads/" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is too old: myhealth needs Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) has no venv module: install it (Debian: apt install python3-venv)." >&2; \
		exit 1; }
	@$(PYTHON) -m myhealth.local.install venv
