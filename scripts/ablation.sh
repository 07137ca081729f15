#!/usr/bin/env bash
# The paper's Tables 3 and 4 and Figures 5 to 7 in miniature, on the toy data, over seeds: scripts/ablation.sh [SEEDS…].
# A seed (default 1 2 3 4 5; settings were chosen on 0) changes the data, the initialisation and the order. Interrupted, the
# same command goes on. Ends in runs/ablation/: results.jsonl, RESULTS.md, plots.
# TABLES: what to run beyond Table 3; OUT: another folder than runs/ablation.
OUT=${OUT:-runs/ablation}
DATA=data/toy RUN=$OUT
source "$(dirname "$0")/method.sh"
source scripts/jobs.sh
[ $# -gt 0 ] || set -- 1 2 3 4 5
TABLES=${TABLES-controls table4 fig6 fig7}
runs=("${@/#/$OUT/seed}")

pretrain
for seed; do echo "$OUT $seed scripts/table3.sh"; done | run_jobs
echo "Table 3: $SECONDS s"
{
    for table in $TABLES summary; do
        for seed; do echo "$OUT $seed scripts/$table.sh"; done
    done
    echo "$OUT $1 scripts/fig5.sh"
} | run_jobs
python -m seg.collect --runs "${runs[@]}" --tables table3 $TABLES --out "$OUT/results.jsonl"
cp "${runs[0]}/fig5.png" "$OUT"
python -m seg.report --results "$OUT/results.jsonl" --out "$OUT/RESULTS.md"
echo "everything: $SECONDS s"
