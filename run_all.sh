#!/usr/bin/env bash
# Every stage in order, then the report, RUN/report/index.html; what is finished is skipped. Without an argument on the toy
# data; ./run_all.sh voc12 on VOC, and ./run_all.sh voc12 voc12_code there with the settings of
# scripts/settings/voc12_code.sh, in runs/voc12_code.
# Another seed: SEED=1 DATA=data/toy1 ./run_all.sh
[ -z "${1:-}" ] || export DATA=data/$1
[ -z "${2:-}" ] || export SETTINGS=$2
source "$(dirname "$0")/scripts/method.sh"
whole_method
scripts/summary.sh
python -m report.html --run "$RUN" --out "$RUN/report"
