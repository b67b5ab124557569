.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := bin/pip install --quiet --disable-pip-version-check --require-hashes
INPUT ?= build/zipf.txt
TESTS ?= tests/unit tests/contract tests/simulation tests/integration/test_run.py
BENCH_TESTS ?= tests/bench/test_answers.py
LEAST ?= 85
ARGS ?=

.PHONY: help run test coverage integration check format docs docs-test deploy destroy scale stop \
    start e2e containerd-store browser notebook pictures installed faults simulate sanitize fuzz \
    spark java porting examples bench bench-test forecast mutation audit sbom lock clean

help:  ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/extension $(INPUT)  ## Count the words of INPUT=... (default: a generated text)
	$(BIN)/python -m driver run --input "$(INPUT)" $(ARGS)

test: $(VENV)/extension $(VENV)/examples $(VENV)/emulator $(VENV)/moto  ## Unit and contract tests, the simulation, and basic runs
	$(BIN)/python -m pytest -n auto $(TESTS) $(ARGS)

# two threads that start at once may not both get coverage's trace function in Python 3.11
coverage: $(VENV)/extension $(VENV)/examples  ## The unit tests alone reach LEAST % of the statements of each package
	$(BIN)/python -m pytest -n auto tests/unit --cov --cov-report= $(ARGS) \
		-W "ignore:Exception ignored in thread started by:pytest.PytestUnraisableExceptionWarning"
	@for package in mapreduce driver services; do \
		$(BIN)/python -m coverage report --include="$$package/*" --fail-under=$(LEAST) --format=total >/dev/null \
			&& echo "$$package: $$($(BIN)/python -m coverage report --include="$$package/*" --format=total) %" \
			|| { $(BIN)/python -m coverage report --include="$$package/*" --skip-covered --sort=miss; exit 1; }; \
	done

integration: $(VENV)/extension $(VENV)/emulator $(VENV)/moto  ## Tests of whole runs, with real services
	$(BIN)/python -m pytest -n auto tests/integration --ignore=tests/integration/examples $(ARGS)

check: $(VENV)/extension $(VENV)/examples $(VENV)/infrastructure $(VENV)/emulator $(VENV)/sbom  ## Lint, format, types, imports, docs, infrastructure
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m mapreduce.native --strict
	$(BIN)/python -m pytest -q -n auto tests/unit/test_rules.py tests/unit/test_docs.py tests/infrastructure

format:  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/extension $(VENV)/docs  ## Write the generated pages; build the site in build/docs/site
	$(BIN)/python -m docs.generate
	$(VENV)/docs-env/bin/python -m docs.site

docs-test: $(VENV)/extension $(VENV)/docs  ## Run all commands and programs of the docs; build the site
	$(VENV)/docs-env/bin/python -m docs.site
	$(BIN)/python -m pytest -n auto tests/docs $(ARGS)

deploy:  ## Create or update the stack in AWS (ARGS="--region ... --mappers ...")
	./deploy.sh $(ARGS)

destroy:  ## Delete the stack from AWS, with all its data
	./destroy.sh $(ARGS)

scale:  ## Change the number of mappers: make scale N=10
	terraform -chdir=terraform apply -auto-approve -var mapper_count=$(N)

stop: $(VENV)/ready  ## Stop all tasks; stored data stays, and the next run starts them again
	$(BIN)/python -m driver stack stop

start: $(VENV)/ready  ## Start the tasks, for several runs in a row (ARGS="--mappers 20")
	$(BIN)/python -m driver stack start $(ARGS)

e2e: $(VENV)/extension $(VENV)/examples $(VENV)/emulator $(VENV)/sbom  ## Deploy, run, scale, break and destroy on an AWS emulator
	$(BIN)/python -m tests.e2e $(ARGS)

containerd-store: $(VENV)/ready  ## Push from Docker's containerd store to immutable tags (root, Debian)
	$(BIN)/python -m tests.e2e.containerd_store

browser: $(VENV)/extension $(VENV)/browser  ## Open the pages of runs in a real Chromium (needs chromium and npm)
	$(VENV)/browser-env/bin/python -m pytest tests/browser $(ARGS)

notebook: $(VENV)/extension $(VENV)/notebook  ## Run the tutorial notebook, and more, in a real kernel
	$(VENV)/notebook-env/bin/python -m pytest tests/notebook $(ARGS)

pictures: $(VENV)/extension $(VENV)/browser  ## Make the pictures of the docs, of a page and of a terminal
	$(VENV)/browser-env/bin/python -m docs.pictures

installed: $(VENV)/ready $(VENV)/pyright  ## Install the wheel here and in Debian's newer Pythons (root, debootstrap)
	$(BIN)/python -m pytest -q -p no:xdist tests/installed $(ARGS)

faults: $(VENV)/extension $(VENV)/emulator  ## Inject all faults, count wrong answers (ARGS="--rounds 20")
	$(BIN)/python -m tests.faults $(ARGS)

examples: $(VENV)/extension $(VENV)/examples $(VENV)/moto  ## Tests of the example systems: real processes, and all faults
	$(BIN)/python -m pytest -n auto tests/integration/examples $(ARGS)
	for system in albums parameter_server serving; do \
		$(BIN)/python -m tests.faults --system $$system || exit 1; done

porting: $(VENV)/extension $(VENV)/porting  ## Run thirty jobs of mrjob, Hadoop and Spark, ported; compare the answers
	$(BIN)/python -m pytest -n auto tests/porting $(ARGS)

sanitize: $(VENV)/extension  ## Tests of the native extension under ASan and UBSan (gcc)
	$(BIN)/python -m tests.sanitize $(ARGS)

fuzz: $(VENV)/extension  ## Fuzz the native extension for SECONDS=180 (clang with libFuzzer)
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),180) $(ARGS)

spark: java $(VENV)/extension $(VENV)/moto $(VENV)/spark  ## Tests on Apache Spark, here and on a cluster on loopback (needs Java 17 or newer)
	MAPREDUCE_REQUIRE_ALL=1 $(VENV)/spark-env/bin/python -m pytest tests/spark $(ARGS)

# before anything is downloaded
java:
	@command -v java >/dev/null || { \
	    echo "the tests on Spark need Java 17 or newer; on Debian:" \
	        "apt-get install default-jre-headless" >&2; \
	    exit 1; }

simulate: $(VENV)/ready  ## Run the scheduler and the drivers in virtual time in SEEDS=10000 random worlds
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) $(ARGS)
	$(BIN)/python -m tests.simulation --drivers --seeds $(or $(SEEDS),1000) $(ARGS)

bench: $(VENV)/ready $(VENV)/bench  ## Compare with Spark and others; writes docs/benchmarks.md
	$(BIN)/python -m bench $(ARGS)

bench-test: $(VENV)/extension $(VENV)/emulator $(VENV)/bench  ## Every case of the benchmark at a tiny size: only the answers
	$(BIN)/python -m pytest -n auto $(BENCH_TESTS) $(ARGS)

forecast: $(VENV)/extension  ## Plan and carry out ten runs: how many lie in their range
	$(BIN)/python -m bench.forecast $(ARGS)

mutation: $(VENV)/extension $(VENV)/mutation  ## Break the pure files in every small way; tests/mutation.md argues the rest
	$(VENV)/mutation-env/bin/python -m mutmut run $(ARGS)
	$(VENV)/mutation-env/bin/python -m tests.mutation

audit: $(VENV)/ready $(VENV)/infrastructure  ## Look up all pins in the database of vulnerabilities
	$(BIN)/python -m requirements.audit $(ARGS)

sbom: $(VENV)/ready $(VENV)/sbom  ## Bills of materials in build/sbom (ARGS="--image NAME ...")
	$(VENV)/sbom-env/bin/python -m requirements.sbom $(ARGS)

lock: $(VENV)/ready  ## Update the pins of all dependencies, with hashes
	bash requirements/lock.sh

clean:  ## Remove the virtual environments and all build products
	rm -rf $(VENV) build mutants mapreduce/native/*.so .mypy_cache .ruff_cache .pytest_cache

build/zipf.txt: | $(VENV)/ready
	$(BIN)/python -m bench.zipf --megabytes 5 --seed 7 --output $@

# the native extension, if there is a C compiler; without one: the same results, slower
$(VENV)/extension: $(wildcard mapreduce/native/*.c mapreduce/native/*.h) | $(VENV)/ready
	$(BIN)/python -m mapreduce.native --if-possible
	@touch $@

$(VENV)/ready: requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@echo "making the environment $(VENV): pip downloads and installs about 200 MB, which takes a minute"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/$(INSTALL) -r requirements/dev.txt
	@touch $@

# what the examples need more than MapReduce, in the same environment
$(VENV)/examples: requirements/examples.txt | $(VENV)/ready
	$(VENV)/$(INSTALL) -r requirements/examples.txt
	@touch $@

# the S3 emulator pins versions that conflict with ours, so it has a separate environment
$(VENV)/emulator: requirements/emulator.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/emulator-env
	$(VENV)/emulator-env/$(INSTALL) -r requirements/emulator.txt
	@touch $@

# a second S3 server, so that tests see what one of them forgives; it pins another botocore
$(VENV)/moto: requirements/moto.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/moto-env
	$(VENV)/moto-env/$(INSTALL) -r requirements/moto.txt
	@touch $@

# PySpark contains Spark, about 400 MB
$(VENV)/spark: requirements/dev.txt requirements/spark.txt
	$(PYTHON) -m venv $(VENV)/spark-env
	$(VENV)/spark-env/$(INSTALL) -r requirements/dev.txt -r requirements/spark.txt
	@touch $@

$(VENV)/mutation: requirements/dev.txt requirements/mutation.txt
	$(PYTHON) -m venv $(VENV)/mutation-env
	$(VENV)/mutation-env/$(INSTALL) -r requirements/dev.txt -r requirements/mutation.txt
	@touch $@

# playwright, which drives Debian's chromium, and axe-core, which looks for barriers in a page
$(VENV)/browser: requirements/dev.txt requirements/browser.txt tests/browser/package-lock.json
	@for program in chromium npm; do command -v $$program >/dev/null || { \
	    echo "the browser tests need $$program; on Debian: apt-get install chromium npm" >&2; \
	    exit 1; }; done
	$(PYTHON) -m venv $(VENV)/browser-env
	$(VENV)/browser-env/$(INSTALL) -r requirements/dev.txt -r requirements/browser.txt
	cp tests/browser/package.json tests/browser/package-lock.json $(VENV)/browser-env/
	cd $(VENV)/browser-env && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# a Jupyter kernel, and the libraries that a result converts to
$(VENV)/notebook: requirements/dev.txt requirements/notebook.txt
	$(PYTHON) -m venv $(VENV)/notebook-env
	$(VENV)/notebook-env/$(INSTALL) -r requirements/dev.txt -r requirements/notebook.txt
	@touch $@

# a second type checker beside mypy, for the programs of the docs
$(VENV)/pyright: tests/installed/package-lock.json | $(VENV)/ready
	@command -v npm >/dev/null || { \
	    echo "the tests of types need npm; on Debian: apt-get install npm" >&2; exit 1; }
	mkdir -p $(VENV)/pyright-env
	cp tests/installed/package.json tests/installed/package-lock.json $(VENV)/pyright-env/
	cd $(VENV)/pyright-env && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# the peers of the benchmark, and matplotlib for its plots
$(VENV)/bench: requirements/bench.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/bench-env
	$(VENV)/bench-env/$(INSTALL) -r requirements/bench.txt
	@touch $@

# mrjob, and the wheels that the ports require: a folder of wheels serves both, without an index
$(VENV)/porting: requirements/porting.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/porting-env
	$(VENV)/porting-env/bin/pip download --quiet --disable-pip-version-check --require-hashes \
	    --only-binary :all: --dest $(VENV)/porting-env/wheels -r requirements/porting.txt
	$(VENV)/porting-env/$(INSTALL) --no-index --find-links $(VENV)/porting-env/wheels \
	    -r requirements/porting.txt
	@touch $@

# the checkers of the infrastructure pin versions that conflict with ours too
$(VENV)/infrastructure: requirements/infrastructure.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/infrastructure-env
	$(VENV)/infrastructure-env/$(INSTALL) -r requirements/infrastructure.txt
	@touch $@

# the writer of bills of materials needs a newer library than the checkers
$(VENV)/sbom: requirements/sbom.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/sbom-env
	$(VENV)/sbom-env/$(INSTALL) -r requirements/sbom.txt
	@touch $@

# the builder of the site
$(VENV)/docs: requirements/docs.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/docs-env
	$(VENV)/docs-env/$(INSTALL) -r requirements/docs.txt
	@touch $@
