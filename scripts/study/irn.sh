#!/usr/bin/env bash
# What saliency is worth, with and without FBR: BE, POM and NSRM against IRN's labels, and instances, on toy data whose
# objects come with a context: scripts/study/irn.sh [SEEDS…] (default 1 2 3 4 5; the settings were chosen on 0). A job
# for each row and seed. Interrupted, the same command goes on. Ends in runs/irn/: results.jsonl, RESULTS.md and plot.
# ROWS: only these rows; OUT: another folder than runs/irn.
OUT=${OUT:-runs/irn}
export TOY_ARGS=${TOY_ARGS:---context 0.9 --context-alone 0.1}
DATA=data/toy RUN=$OUT
source "$(dirname "$0")/jobs.sh"
[ $# -gt 0 ] || set -- 1 2 3 4 5
ROWS=${ROWS:-ce fbr truth plain}

pretrain
for seed; do echo "$OUT $seed scripts/study/irn_row.sh"; done | run_jobs ROW
for row in $ROWS; do
    for seed; do echo "$OUT $seed scripts/study/irn_row.sh $row"; done
done | run_jobs ROW
results irn "$@"
