#!/usr/bin/env bash
# Where each component helps: Table 3 on other toy data, scripts/study/toy_study.sh [SEEDS…] (default 1 2). Three choices
# behind the data, each less and more than in scripts/study/ablation.sh: how many objects, how inconspicuous, how good the
# saliency. Interrupted, the same command goes on. Ends in runs/study/results.jsonl; OUT: another folder than runs/study.
OUT=${OUT:-runs/study}
DATA=data/toy RUN=$OUT
source "$(dirname "$0")/jobs.sh"
[ $# -gt 0 ] || set -- 1 2
SETTINGS_OF_STUDY=(
    "objects_fewer --extra-instance 0"
    "objects_more --extra-instance 1 --max-classes 4"
    "non_salient_plain --non-salient-blend 0.8 1"
    "non_salient_faint --non-salient-blend 0.2 0.5"
    "saliency_exact --saliency-missing 0 --saliency-noise 0 --saliency-leak 0"
    "saliency_poor --saliency-missing 1 --saliency-noise 1 --saliency-leak 0.5"
)

pretrain
for seed; do
    for setting in "${SETTINGS_OF_STUDY[@]}"; do
        read -r name toy_args <<<"$setting"
        echo "$OUT/$name $seed scripts/paper/table3.sh $toy_args"
    done
done | run_jobs
python -m report.studies.collect --runs "$OUT"/*/seed* --tables table3 --out "$OUT/results.jsonl"
echo "everything: $SECONDS s"
