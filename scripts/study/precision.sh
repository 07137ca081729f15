#!/usr/bin/env bash
# The whole method in bfloat16 and in float32 on the toy data, scripts/study/precision.sh [SEEDS…] (default 1 2 3).
# Interrupted, the same command goes on. Ends in runs/precision/results.jsonl; OUT: another folder than runs/precision.
OUT=${OUT:-runs/precision}
DATA=data/toy RUN=$OUT
source "$(dirname "$0")/jobs.sh"
[ $# -gt 0 ] || set -- 1 2 3

pretrain
for amp in amp no-amp; do
    for seed; do echo "$OUT/$amp $seed ./run_all.sh"; done | AMP=--$amp run_jobs
    for seed; do
        RUN=$OUT/$amp/seed$seed
        table rounds "$amp, seed $seed" --row "round 1" "" "pred1_$VAL" --row "round 2" "" "pred2_$VAL"
    done
done
python -m report.studies.collect --runs "$OUT"/*/seed* --tables rounds --out "$OUT/results.jsonl"
