# `make run` and `make test` are all a newcomer needs: each makes .venv when it is missing.
.PHONY: run test examples lint calibrate bench .venv
.DEFAULT_GOAL := run
BIN := .venv/bin
OUT := out

.venv: .venv/.complete

.venv/.complete: pyproject.toml constraints.txt .python-version
	@found=; for candidate in python3.12 python3 python; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo 'error: Python 3.12 is needed and none of python3.12, python3, python is it.' >&2; \
	  echo 'Install it (for example: pyenv install 3.12, or the package python3.12 with python3.12-venv) and run make again.' >&2; \
	  exit 1; \
	fi; \
	$$found -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: $$found has no venv module; install it (on Debian and Ubuntu: the package python3.12-venv)." >&2; exit 1; }; \
	$$found -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: .venv/.complete
	@mkdir -p $(OUT)
	$(BIN)/python -m em.estimate --out $(OUT)/results.json
	$(BIN)/python -m bayesmix.fit --k 3 --start $(OUT)/results.json --out $(OUT)/mixture-3.nc --report $(OUT)/mixture-3.html
	$(BIN)/python -m bayesmix.fit --model hierarchical --out $(OUT)/hierarchical.nc
	$(BIN)/python -m comparisons.report $(OUT)/results.json $(OUT)/mixture-3.nc $(OUT)/hierarchical.nc --out $(OUT)/comparison.html
	@echo 'Open $(OUT)/comparison.html and $(OUT)/mixture-3.html in a browser.'

examples: .venv/.complete
	$(BIN)/python -m comparisons.examples --out $(OUT)/examples
	@echo 'Open $(OUT)/examples/index.html in a browser.'

test: .venv/.complete
	$(BIN)/python -m pytest

lint: .venv/.complete
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

calibrate: .venv/.complete
	$(BIN)/python -m pytest -m slow
	@echo 'The whole study of which criterion picks what: $(BIN)/python tests/confusion.py --panels 100 (about an hour).'

bench: .venv/.complete
	$(BIN)/python -m pytest -m bench -s
