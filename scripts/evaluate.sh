#!/usr/bin/env bash
# The scores of a folder of predictions, labels or maps: scripts/evaluate.sh FOLDER SPLIT, both of RUN and DATA.
# Further arguments are passed on.
source "$(dirname "$0")/env.sh"
$LAUNCH_LABELS seg.evaluate --data "$DATA" --split "$2" --pred "$RUN/$1" --out "$RUN/scores/$1" "${@:3}" >/dev/null
