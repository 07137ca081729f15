#!/usr/bin/env bash
# AMN with and without FBR on toy data whose objects come with a context: scripts/study/amn.sh [SEEDS…] (default
# 1 2 3 4 5; the settings were chosen on 0). A seed changes the data, the initialisation and the order. Interrupted, the
# same command goes on. Ends in runs/amn/: results.jsonl and RESULTS.md. OUT: another folder than runs/amn.
OUT=${OUT:-runs/amn}
export TOY_ARGS=${TOY_ARGS:---context 0.9 --context-alone 0.1}
DATA=data/toy RUN=$OUT
source "$(dirname "$0")/jobs.sh"
[ $# -gt 0 ] || set -- 1 2 3 4 5

pretrain
for seed; do echo "$OUT $seed scripts/paper/fbr_amn.sh"; done | run_jobs ROW
results amn "$@"
