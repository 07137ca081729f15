#!/usr/bin/env bash
# The paper's Tables 3 and 4 and Figures 5 to 7 in miniature, on the toy data, over seeds:
# scripts/study/ablation.sh [SEEDS…]. A seed (default 1 2 3 4 5; the settings were chosen on 0) changes the data, the
# initialisation and the order. Interrupted, the same command goes on. Ends in runs/ablation/: results.jsonl, RESULTS.md,
# plots. TABLES: what to run beyond Table 3; OUT: another folder than runs/ablation.
OUT=${OUT:-runs/ablation}
DATA=data/toy RUN=$OUT
source "$(dirname "$0")/jobs.sh"
[ $# -gt 0 ] || set -- 1 2 3 4 5
TABLES=${TABLES-controls table4 fig6 fig7}
runs=("${@/#/$OUT/seed}")
scripts=()
for table in $TABLES; do
    scripts+=("$(compgen -G "scripts/*/$table.sh")") || { echo "TABLES: there is no script $table.sh" >&2; exit 2; }
done

pretrain
for seed; do echo "$OUT $seed scripts/paper/table3.sh"; done | run_jobs
echo "Table 3: $SECONDS s"
{
    for script in "${scripts[@]}" scripts/summary.sh; do
        for seed; do echo "$OUT $seed $script"; done
    done
    echo "$OUT $1 scripts/paper/fig5.sh"
} | run_jobs
python -m report.studies.collect --runs "${runs[@]}" --tables table3 $TABLES --setting ablation --out "$OUT/results.jsonl"
cp "${runs[0]}/fig5.png" "$OUT"
python -m report.studies.tables --study ablation --results "$OUT/results.jsonl" --out "$OUT/RESULTS.md"
echo "everything: $SECONDS s"
