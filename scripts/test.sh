#!/usr/bin/env bash
# The tests, in the same environment as everything else, as many files at once as there are cores. Arguments go to pytest.
source "$(dirname "$0")/env.sh"
OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile "$@"
