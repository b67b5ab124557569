.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INPUT ?= build/zipf.txt
ARGS ?=

.PHONY: help run test integration check format docs docs-test deploy destroy scale stop start e2e faults simulate spark bench lock clean

help:  ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/kernel $(INPUT)  ## Count the words of INPUT=... (by default of a text made on the spot)
	$(BIN)/python -m driver run --input "$(INPUT)" $(ARGS)

test: $(VENV)/kernel $(VENV)/emulator  ## Unit and contract tests, the simulation, and the runs that a change breaks first
	$(BIN)/python -m pytest -n auto tests/unit tests/contract tests/simulation tests/integration/test_run.py $(ARGS)

integration: $(VENV)/kernel $(VENV)/emulator  ## Tests of whole runs, with real services, terminals and endings
	$(BIN)/python -m pytest -n auto tests/integration $(ARGS)

check: $(VENV)/kernel $(VENV)/infrastructure  ## Lint, format, strict types, arrows between rooms, docs, infrastructure
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/unit/test_house.py tests/unit/test_docs.py tests/infrastructure

format:  ## Put the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/kernel $(VENV)/docs  ## Write the generated pages and build the site in build/docs/site
	$(BIN)/python -m docs.generate
	$(VENV)/docs-env/bin/python -m docs.site

docs-test: $(VENV)/kernel $(VENV)/docs  ## Run every command and every program that the pages show; build the site
	$(VENV)/docs-env/bin/python -m docs.site
	$(BIN)/python -m pytest -n auto tests/docs $(ARGS)

deploy:  ## Lay the stack out in AWS (ARGS="--region ... --mappers ...")
	./deploy.sh $(ARGS)

destroy:  ## Take the stack out of AWS, with all its data
	./destroy.sh $(ARGS)

scale:  ## Change the number of mappers: make scale N=10
	terraform -chdir=terraform apply -auto-approve -var mapper_count=$(N)

stop:  ## Stop all tasks; what is stored stays
	terraform -chdir=terraform apply -auto-approve -var mapper_count=0 -var splitter_count=0 -var reducer_count=0

start:  ## Start the tasks again
	terraform -chdir=terraform apply -auto-approve

e2e: $(VENV)/kernel $(VENV)/emulator  ## Deploy, run, scale, break and destroy against an emulator of AWS
	$(BIN)/python -m tests.e2e $(ARGS)

faults: $(VENV)/kernel $(VENV)/emulator  ## Break runs in every way that there is, and count the wrong answers (ARGS="--rounds 20")
	$(BIN)/python -m tests.faults $(ARGS)

spark:  ## The tests on Apache Spark, in an environment of their own (needs Java 17 or newer)
	@command -v java >/dev/null || { echo "the tests on Spark need Java 17 or newer; on Debian: apt-get install default-jre-headless" >&2; exit 1; }
	@$(MAKE) --no-print-directory $(VENV)/spark
	$(VENV)/spark-env/bin/python -m pytest tests/spark $(ARGS)

simulate: $(VENV)/ready  ## Run the scheduler in virtual time against SEEDS=10000 drawn worlds
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) $(ARGS)

bench: $(VENV)/ready $(VENV)/bench  ## Measure ours against Spark and others; writes docs/benchmarks.md (ARGS=--quick for a glance)
	$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/ready  ## Pin every dependency anew, with hashes
	bash requirements/lock.sh

clean:  ## Remove the virtual environments and all that was built
	rm -rf $(VENV) build mapreduce/native/*.so .mypy_cache .ruff_cache .pytest_cache

build/zipf.txt: | $(VENV)/ready
	$(BIN)/python -m bench.zipf --megabytes 5 --seed 7 --output $@

# the engine's compiled part, where there is a C compiler; without one all is as right, and slower
$(VENV)/kernel: $(wildcard mapreduce/native/*.c mapreduce/native/*.h) | $(VENV)/ready
	$(BIN)/python -m mapreduce.native --if-possible
	@touch $@

$(VENV)/ready: requirements/dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# the S3 emulator pins its own versions of our dependencies, so it lives in an environment of its own
$(VENV)/emulator: requirements/emulator.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/emulator-env
	$(VENV)/emulator-env/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/emulator.txt
	@touch $@

# PySpark brings a Spark of its own, some 400 MB of it
$(VENV)/spark: requirements/dev.txt requirements/spark.txt
	$(PYTHON) -m venv $(VENV)/spark-env
	$(VENV)/spark-env/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt -r requirements/spark.txt
	@touch $@

# what ours is measured against, and what draws the plots
$(VENV)/bench: requirements/bench.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/bench-env
	$(VENV)/bench-env/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

# the checkers of what is deployed pin their own versions too
$(VENV)/infrastructure: requirements/infrastructure.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/infrastructure-env
	$(VENV)/infrastructure-env/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/infrastructure.txt
	@touch $@

# what builds the site
$(VENV)/docs: requirements/docs.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/docs-env
	$(VENV)/docs-env/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@
