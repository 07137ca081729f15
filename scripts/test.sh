#!/usr/bin/env bash
# The linter and the tests, with one test file at a time on each core. Arguments go to pytest. What they need beyond
# requirements.txt is installed from requirements-dev.txt.
source "$(dirname "$0")/env.sh"
[ -z "$VENV" ] || install requirements-dev.txt installed-dev
python -m ruff check .
python -m ruff format --check .
OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile --no-loadscope-reorder "$@"
