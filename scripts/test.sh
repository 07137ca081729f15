#!/usr/bin/env bash
# The tests, in the same environment as everything else. Arguments go to pytest.
source "$(dirname "$0")/env.sh"
python -m pytest "$@"
