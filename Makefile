# What people run here.  `make demo` and `make test` set everything up by themselves.
#
#   make demo      grade a sample class of twelve and show the table
#   make lab       open JupyterLab on the notebooks
#   make build     prove the exercises and generate notebooks and casebooks
#   make test      everything that CI runs
#   make system    Debian packages for the tests of a browser and of PostgreSQL (needs root)
#   make mutants   automatic mutants of every worked solution
#   make attack    hostile submissions, as root and as a user; writes docs/attacks.md
#   make bench     time the worked solutions beside published libraries; writes docs/speed.md
#   make bench-peers  builds one of these libraries from source, ten minutes
#   make bench-grading  ours, stock nbgrader and Otter on one class; writes docs/grading-speed.md
#   make lock      pin the versions of everything that is installed now

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m
EXTRAS := lab,pytorch,instructor
export MPLBACKEND := Agg
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help env env-test demo lab build check test lint types mutants system lock pictures attack bench bench-peers bench-grading clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | grep '^  make' | sort -u

$(VENV)/.made: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[$(EXTRAS)]'
	touch $@

$(VENV)/.made-test: $(VENV)/.made Makefile
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[$(EXTRAS),cluster,test]'
	touch $@

env: $(VENV)/.made

env-test: $(VENV)/.made-test

demo: env
	$(RUN) autograder build --check 01-kernel-attention || $(RUN) autograder build 01-kernel-attention
	$(BIN)/python demo/sample_class.py demo/course
	cd demo/course && $(abspath $(BIN))/python -m autograder grade 01-kernel-attention
	@echo
	@echo "Look around: cd demo/course, then $(abspath $(BIN))/jupyter lab, and open Formgrader from the Nbgrader menu."

lab: env
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 notebooks

build: env
	$(RUN) autograder build

check: env
	$(RUN) autograder build --check

test: env-test lint types
	$(RUN) pytest -n 2 --dist loadfile

lint: env-test
	$(RUN) ruff check .
	$(RUN) ruff format --check autograder tests demo

types: env-test
	$(RUN) mypy

mutants: env
	$(RUN) autograder mutants

attack: env
	$(RUN) attacks.run

bench-grading: env
	$(RUN) benchmarks.grading

system:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core postgresql

pictures: env-test
	$(BIN)/python docs/pictures.py

$(VENV)/.made-bench: $(VENV)/.made Makefile
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[$(EXTRAS),bench]'
	touch $@

bench: $(VENV)/.made-bench
	OPENBLAS_NUM_THREADS=1 $(RUN) benchmarks.speed

# Its setup builds for CUDA wherever it sees nvcc, and needs the installed torch: hence this PATH and no isolation.
bench-peers: $(VENV)/.made-bench
	PATH=$(abspath $(BIN)):/usr/bin:/bin $(BIN)/pip install --no-build-isolation --no-deps pytorch-fast-transformers==0.4.0

lock: env-test $(VENV)/.made-bench
	$(BIN)/pip freeze --all --exclude-editable | sed 's/+cpu//' | grep -Ev '^(autograder|pip)\b' > constraints.txt

clean:
	rm -rf $(VENV) grading demo/course release
