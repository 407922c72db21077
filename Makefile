# Thin on purpose: every command is one line, its logic lives in the package that it calls.
# `make` prints what there is; the variables stand beside each command.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SCAN_VENV := .venv-scan
LOAD_VENV := .venv-load
PLOT_VENV := .venv-plot
STACK := $(PY) -m stack
# Passed on only when given, so that the tool itself says what is missing and what there is to choose from.
OPTIONS = $(if $(ENV),--env '$(ENV)') $(if $(NAME),--name '$(NAME)') $(if $(JSON),--json)
COMMA := ,
RUN := $(VENV)/.run
DEV := $(VENV)/.dev
SCAN := $(SCAN_VENV)/.installed
LOAD := $(LOAD_VENV)/.installed
PLOT := $(PLOT_VENV)/.installed
APART := $(SCAN) $(LOAD) $(PLOT)
COLLECTED := $(VENV)/.collected
COMPOSE := docker compose --project-name echo-room --file docker/compose.yaml

##@ Operate an environment (ENV=local needs no AWS account)

.PHONY: doctor
doctor: $(RUN) ## Look whether everything is there that an environment needs         ENV= [JSON=1]
	@$(STACK) doctor $(OPTIONS)

.PHONY: create
create: $(RUN) ## Build the image, make every stack, print the URL and a token       ENV= [RUNTIME=container|process] [JSON=1]
	@$(STACK) create $(OPTIONS) $(if $(RUNTIME),--runtime '$(RUNTIME)')

.PHONY: change
change: $(RUN) ## Make change sets and show what they would change                   ENV= NAME= [DETAIL=full] [FORMAT=markdown [FILE=]] [RUNTIME=] [JSON=1]
	@$(STACK) change $(OPTIONS) $(if $(DETAIL),--detail '$(DETAIL)') $(if $(FORMAT),--format '$(FORMAT)') \
	  $(if $(FILE),--file '$(FILE)') $(if $(RUNTIME),--runtime '$(RUNTIME)')

.PHONY: approve
approve: $(RUN) ## Execute the change sets that were reviewed                        ENV= NAME= [REPLACE=Id,Id] [YES=1] [JSON=1]
	@$(STACK) approve $(OPTIONS) $(foreach id,$(subst $(COMMA), ,$(REPLACE)),--replace '$(id)') $(if $(YES),--yes)

.PHONY: cancel
cancel: $(RUN) ## Cancel the update that runs; the stack goes back                   ENV= [JSON=1]
	@$(STACK) cancel $(OPTIONS)

.PHONY: rollback
rollback: $(RUN) ## Make a change back to an earlier image, for review            ENV= [TO=tag or digest] [NAME=] [JSON=1]
	@$(STACK) rollback $(OPTIONS) $(if $(TO),--to '$(TO)')

.PHONY: reject
reject: $(RUN) ## Drop change sets that were made but not approved                   ENV= NAME= [JSON=1]
	@$(STACK) reject $(OPTIONS)

.PHONY: delete
delete: $(RUN) ## Delete every stack; names what is retained                          ENV= [YES=1] [JSON=1]
	@$(STACK) delete $(OPTIONS) $(if $(YES),--yes)

.PHONY: restore
restore: $(RUN) ## Restore the table beside the one in use, compare them       ENV= TO=latest or 2026-11-21T09:30:00Z [REVOKE=1] [JSON=1]
	@$(STACK) restore $(OPTIONS) $(if $(TO),--to '$(TO)') $(if $(REVOKE),--revoke)

.PHONY: test
test: $(RUN) ## Test the deployed service from outside                               ENV= [JSON=1]
	@$(STACK) test $(OPTIONS)

.PHONY: drill
drill: $(RUN) $(if $(REPORT),$(PLOT)) ## Break things on purpose, see alarms and rollbacks, put them right    ENV= [DRILL=name,name] [REPORT=folder] [JSON=1]
	@$(STACK) drill $(OPTIONS) $(foreach name,$(subst $(COMMA), ,$(DRILL)),--only '$(name)') \
	  $(if $(REPORT),--report '$(REPORT)' --plot-python $(PLOT_VENV)/bin/python)

.PHONY: load
load: $(RUN) $(LOAD) ## Drive load, judge it by the objectives, write a report   ENV= [PROFILE=steady|ramp|spike|soak] [RATE=] [SECONDS=] [REPORT=file.html] [FAULT=] [JSON=1]
	@$(PY) -m bench.load $(if $(ENV),--env '$(ENV)') $(if $(PROFILE),--profile '$(PROFILE)') $(if $(RATE),--rate '$(RATE)') \
	  $(if $(SECONDS),--seconds '$(SECONDS)') $(if $(REPORT),--report '$(REPORT)') $(if $(FAULT),--fault '$(FAULT)') \
	  $(if $(JSON),--json) --locust $(LOAD_VENV)/bin/python

.PHONY: token
token: $(RUN) ## Make an API token; it is shown once                                 ENV= NAME= [JSON=1]
	@$(STACK) token $(OPTIONS)

.PHONY: tokens
tokens: $(RUN) ## List the API tokens, without their secrets                         ENV= [JSON=1]
	@$(STACK) tokens $(OPTIONS)

.PHONY: revoke-token
revoke-token: $(RUN) ## Revoke an API token by its id                                ENV= ID= [JSON=1]
	@$(STACK) revoke-token $(OPTIONS) $(if $(ID),--id '$(ID)')

.PHONY: exec
exec: $(RUN) ## Run a command in a task, by ECS Exec                                 ENV= [TASK=] [CMD=]
	@$(STACK) exec $(OPTIONS) $(if $(TASK),--task '$(TASK)') $(if $(CMD),--command '$(value CMD)')

##@ See what is there

.PHONY: status
status: $(RUN) ## Stacks, service, tasks, health                                     ENV= [JSON=1]
	@$(STACK) status $(OPTIONS)

.PHONY: tasks
tasks: $(RUN) ## Tasks: where and how they run; why others ended                     ENV= [JSON=1]
	@$(STACK) tasks $(OPTIONS)

.PHONY: logs
logs: $(RUN) ## What the tasks wrote                ENV= [SINCE=10m] [FILTER=] [TASK=] [FOLLOW=1] [RAW=1] [JSON=1]
	@$(STACK) logs $(OPTIONS) $(if $(SINCE),--since '$(SINCE)') $(if $(FILTER),--filter '$(value FILTER)') \
	  $(if $(TASK),--task '$(TASK)') $(if $(FOLLOW),--follow) $(if $(RAW),--raw)

.PHONY: watch
watch: $(RUN) ## Follow what runs on the stacks, wherever it was started             ENV= [JSON=1]
	@$(STACK) watch $(OPTIONS)

.PHONY: drift
drift: $(RUN) ## What was changed past CloudFormation                                ENV= [JSON=1]
	@$(STACK) drift $(OPTIONS)

.PHONY: releases
releases: $(RUN) ## Images of the repository, and which one runs                     ENV= [JSON=1]
	@$(STACK) releases $(OPTIONS)

.PHONY: outputs
outputs: $(RUN) ## The stacks' outputs                                               ENV= [JSON=1]
	@$(STACK) outputs $(OPTIONS)

.PHONY: cost
cost: $(RUN) ## What it costs a month on AWS, line by line                          ENV= [USE="--requests 5e7 --tasks 3"] [JSON=1]
	@$(STACK) cost $(OPTIONS) $(USE)

.PHONY: dashboard
dashboard: $(RUN) $(if $(PNG),$(PLOT)) ## Where its dashboard is in the AWS console, or a picture of it    ENV= [PNG=file] [MINUTES=] [JSON=1]
	@$(STACK) dashboard $(OPTIONS) $(if $(PNG),--png '$(PNG)' --plot-python $(PLOT_VENV)/bin/python) $(if $(MINUTES),--minutes '$(MINUTES)')

.PHONY: events
events: $(RUN) ## The stacks' latest events                                          ENV= [JSON=1]
	@$(STACK) events $(OPTIONS)

.PHONY: last-create-failure
last-create-failure: $(RUN) ## Why the last create failed, first cause first         ENV= [JSON=1]
	@$(STACK) last-create-failure $(OPTIONS)

.PHONY: last-update-failure
last-update-failure: $(RUN) ## Why the last update failed, first cause first         ENV= [JSON=1]
	@$(STACK) last-update-failure $(OPTIONS)

##@ The local cloud (started by `make create ENV=local` itself)

.PHONY: local-up
local-up: $(RUN) ## Start it; brings stacks, tokens and tasks back                     [ENV=local]
	@$(STACK) start --env '$(or $(ENV),local)'

.PHONY: local-down
local-down: $(RUN) ## Stop it and everything it runs; keeps the state
	@$(PY) -m localcloud down

.PHONY: local-status
local-status: $(RUN) ## Its ports, tasks, target groups and alarms                      [JSON=1]
	@$(PY) -m localcloud status $(if $(JSON),--json)

.PHONY: local-logs
local-logs: $(RUN) ## The end of its own log                                           [FOLLOW=1]
	@$(PY) -m localcloud logs $(if $(FOLLOW),--follow)

.PHONY: alerts
alerts: $(RUN) ## What its SNS topics delivered, to whom, and what not and why            [ENV=local] [JSON=1]
	@[ '$(or $(ENV),local)' = local ] || { echo "alerts shows the local cloud's; on AWS, SNS delivers them itself" >&2; exit 2; }
	@$(PY) -m localcloud alerts $(if $(JSON),--json)

.PHONY: local-reset
local-reset: $(RUN) ## Stop it and forget everything                                 [YES=1]
	@$(PY) -m localcloud reset $(if $(YES),--yes)

##@ The image

.PHONY: image
image: $(RUN) ## Build the image in the local Docker engine; compare its size          [ARCH=amd64|arm64] [BASE_IMAGE=] [JSON=1]
	@image="$$($(STACK) image $(if $(ARCH),--arch '$(ARCH)') $(if $(BASE_IMAGE),--base-image '$(BASE_IMAGE)') $(if $(JSON),--json))" \
	  && echo "$$image" $(if $(JSON),,&& $(PY) -m bench.image "$$image" --starts 0)

.PHONY: push
push: $(RUN) ## Build it if needed and push it to the environment's repository       ENV= [RUNTIME=] [JSON=1]
	@$(STACK) push $(OPTIONS) $(if $(RUNTIME),--runtime '$(RUNTIME)')

.PHONY: scan
scan: $(RUN) $(SCAN) ## Policies of templates, known vulnerabilities, secrets in the image [IMAGE=] [OFFLINE=1] [JSON=1]
	@$(STACK) scan $(if $(IMAGE),--image '$(IMAGE)') $(if $(OFFLINE),--offline) $(if $(JSON),--json)

.PHONY: base-image
base-image: ## Make a base image from Debian's packages, where no registry is reached   [ARCH=]
	@docker/base-image.sh --fresh $(ARCH)

.PHONY: compose-up
compose-up: $(RUN) ## Run the image alone with its embedded store and TLS, hardened as on ECS   [PORT=8088]
	@docker compose version >/dev/null 2>&1 || { \
	  echo "Docker's Compose plugin is needed: apt-get install docker-compose-plugin (Ubuntu: docker-compose-v2)" >&2; exit 1; }
	@IMAGE="$$($(STACK) image)" && export IMAGE PORT='$(or $(PORT),8088)' && $(COMPOSE) up --detach --wait \
	  && echo "It answers on https://127.0.0.1:$$PORT with a certificate that it made for itself (curl --insecure)." \
	  && echo "A token: IMAGE=$$IMAGE $(COMPOSE) exec echo python3 -m app token create --name me"

.PHONY: compose-down
compose-down: ## Stop it; its tokens stay in the volume
	@IMAGE=none $(COMPOSE) down

##@ Develop

.PHONY: serve
serve: $(RUN) ## Run the service alone on this machine, with its embedded store
	@$(PY) -m app serve

.PHONY: check
# Where it is set, each of some thousand processes would compile all that it imports.
check: export PYTHONDONTWRITEBYTECODE :=
# Whole environments wait more than they work: they run beside the rest, and what became of them is printed after it.
# A shell lets what it starts in the background ignore Ctrl-C: env makes both of them hear it, and clean up.
check: ## Everything that must hold: lint, types, templates, all tests
	@$(MAKE) -j 4 $(APART) $(COLLECTED) lint
	@said="$$(mktemp)"; trap 'rm -f "$$said"' EXIT; trap : INT; \
	  env --default-signal=INT $(VENV)/bin/pytest -n 2 --dist loadfile -m serial $(PYTEST) >"$$said" 2>&1 & environments=$$!; \
	  env --default-signal=INT $(VENV)/bin/pytest -n 6 --dist worksteal -m 'not serial' $(PYTEST); failed=$$?; \
	  echo "Whole environments (they ran meanwhile):"; wait $$environments || failed=$$?; cat "$$said"; exit $$failed

.PHONY: lint
lint: $(DEV) ## Only the checks that take seconds
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/cfn-lint -c I -- cloudformation/*.yaml

.PHONY: format
format: $(DEV) ## Format the code and sort imports
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

.PHONY: bench
bench: $(DEV) ## Measure the echo path
	@$(PY) -m bench.echo

.PHONY: docs
docs: $(DEV) ## Write the pages that are made from the code
	@$(PY) docs/templates.py

.PHONY: transcripts
transcripts: $(DEV) $(APART) ## Run every command on a local cloud; write what it prints into docs/operations.md   [PART=cloud|engine|a command that needs neither]
	@$(PY) -m docs.transcripts $(PART)

.PHONY: diagram
diagram: $(DEV) ## Draw architecture.png from the templates; needs Graphviz
	@command -v dot >/dev/null || { echo "Graphviz is needed: apt-get install graphviz" >&2; exit 1; }
	@$(PIP) $(INSTALL) -r docs/requirements.txt
	@$(PY) docs/diagram.py

.PHONY: screenshots
screenshots: $(DEV) ## Take the pictures of the console in docs/screens; needs Chromium
	@$(PY) docs/screens.py

.PHONY: lock
lock: $(DEV) ## Lock the newest versions that requirements.in files allow, with hashes
	@for part in app stack stack/scan localcloud docker tests docs bench/load stack/plot; do \
	  echo "$$part/requirements.txt"; \
	  (cd $$part && CUSTOM_COMPILE_COMMAND='make lock' $(abspath $(VENV))/bin/pip-compile --quiet --upgrade \
	    --generate-hashes --strip-extras --allow-unsafe --no-annotate --no-emit-index-url --no-emit-find-links \
	    --no-emit-trusted-host --output-file requirements.txt requirements.in) || exit 1; \
	done

.PHONY: clean
clean: ## Remove what can be made again (virtual environments, wheels, caches); keeps .state
	@rm -rf $(VENV) $(SCAN_VENV) $(LOAD_VENV) $(PLOT_VENV) docker/wheels .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Print this
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { print "\n" substr($$0, 5) } /^[a-z-]+:.*## / { \
	  match($$2 "   ", /   +/); options = substr($$2, RSTART + RLENGTH); \
	  printf "  make %-20s %s%s\n", $$1, substr($$2, 1, RSTART - 1), options == "" ? "" : "  (" options ")" \
	}' $(MAKEFILE_LIST)

# --- The virtual environment: made and refreshed when the locked requirements changed, so nobody has to know ---------

RUN_LOCKS := app/requirements.txt stack/requirements.txt localcloud/requirements.txt
PIP := $(PY) -m pip
INSTALL := install --quiet --disable-pip-version-check --require-hashes

$(PY):
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(1)' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1 || echo missing)." \
	       "Name another one: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo "The virtual environment could not be made (see above). On Debian and Ubuntu: apt-get install python3-venv" >&2; \
	  exit 1; }

$(RUN): $(PY) $(RUN_LOCKS)
	@echo "Installing what it runs on into $(VENV) (once, and when the locked versions change)" >&2
	@$(PIP) $(INSTALL) $(addprefix -r ,$(RUN_LOCKS))
	@touch $@

$(DEV): $(RUN) tests/requirements.txt
	@echo "Installing what tests and checks need into $(VENV)" >&2
	@$(PIP) $(INSTALL) -r tests/requirements.txt
	@touch $@

# Each test compiled once: on a new clone, every worker would compile all of them.
$(COLLECTED): $(DEV) $(wildcard tests/*.py tests/*/*.py tests/*/*/*.py)
	@found="$$($(VENV)/bin/pytest --collect-only -qq)" || { echo "$$found" >&2; exit 1; }
	@touch $@

# Apart: checkov pins other versions than everything else runs on; Locust brings a web framework and patches the
# standard library; what draws is larger than everything else, and only pictures need it.
$(SCAN): stack/scan/requirements.txt
$(LOAD): bench/load/requirements.txt
$(PLOT): stack/plot/requirements.txt
$(SCAN): PURPOSE := scans
$(LOAD): PURPOSE := drives load
$(PLOT): PURPOSE := draws pictures

$(APART): $(PY)
	@echo "Installing what $(PURPOSE) into $(@D)" >&2
	@$(PY) -m venv --clear --without-pip $(@D)
	@$(PIP) --python $(@D)/bin/python $(INSTALL) -r $(filter %.txt,$^)
	@touch $@
