#!/usr/bin/env bash
# Every stage in order; what is finished is skipped. Without an argument on the toy data; ./run_all.sh voc12 on VOC.
# Another seed: SEED=1 DATA=data/toy1 ./run_all.sh
export DATA=${DATA:-data/${1:-toy}}
source "$(dirname "$0")/scripts/method.sh"
whole_method
scripts/summary.sh
