#!/usr/bin/env bash
# The linter and the tests, in the same environment as everything else, as many test files at once as there are cores.
# Arguments go to pytest.
source "$(dirname "$0")/env.sh"
python -m ruff check .
python -m ruff format --check .
OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile --no-loadscope-reorder "$@"
