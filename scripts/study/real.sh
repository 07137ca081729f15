#!/usr/bin/env bash
# The method on photographs: Tables 3 and 4, what saliency is worth, FBR and IRN on data/voc12_animals,
# scripts/study/real.sh [SEEDS…] (default 1 2 3; the settings were chosen on 0, on a part of the training images). A seed
# changes the initialisation and the order. Interrupted, the same command goes on. Ends in runs/real/: results.jsonl and
# RESULTS.md. ROWS: "row:step" of some jobs alone; OUT: another folder than runs/real.
OUT=${OUT:-runs/real}
export DATA=${DATA:-data/voc12_animals} SETTINGS=${SETTINGS:-voc12_animals} TRAIN=${TRAIN:-train_aug} EVAL_TRAIN=${EVAL_TRAIN:-train}
SALIENCY=( # name of a row, arguments of report.studies.degrade
    "mild       --lost 0.5 --blur 0.02"
    "strong     --lost 1 --blur 0.06"
    "rectangle  --rectangle"
)
LABELS="main:labels no_glore:labels fbr:labels" FURTHER="mild:labels strong:labels rectangle:labels main:irn vgg16:labels" # vgg16 with the first seed alone
ROUND1="no_glore:initial main:round1 main:initial main:full fbr:round1 main:irn_round1 long:round1 long:initial
    mild:round1 mild:initial strong:round1 strong:initial rectangle:round1 rectangle:initial"
ROUND2="main:round2 main:pom_retrain main:agreement main:simple_label main:retrain mild:round2 strong:round2 rectangle:round2 fbr:round2 main:irn_round2
    no_glore:pseudo long:round2 main:all main:no_expansion main:no_masking main:no_dilation"
RUN=$OUT
source "$(dirname "$0")/jobs.sh"
export SHARED_DATA=$DATA
[ $# -gt 0 ] || set -- 1 2 3
ROWS=$(echo ${ROWS:-$LABELS $FURTHER $ROUND1 $ROUND2}) # in one line

prepare
[[ " $ROWS " != *" vgg16:labels "* ]] || fetch hed_vgg16.pth
for maps in "${SALIENCY[@]}"; do # data sets that differ in saliency alone
    read -r name arguments <<<"$maps"
    mkdir -p "${DATA}_$name"
    for part in JPEGImages SegmentationClass context lists classes.txt; do
        ln -sfn "$(realpath "$DATA")/$part" "${DATA}_$name/$part"
    done
    launch_labels report.studies.degrade --out "${DATA}_$name/saliency" $arguments
done
for jobs in "$LABELS" "$FURTHER" "$ROUND1" "$ROUND2"; do # what a job reads was made by those of the lines before
    for row in $jobs; do
        [[ " $ROWS " == *" $row "* ]] || continue
        seeds=("$@")
        [ "$row" != vgg16:labels ] || seeds=("$1")
        for seed in "${seeds[@]}"; do echo "$OUT $seed scripts/study/real_row.sh $row"; done
    done | run_jobs ROW
done
results real "$@"
