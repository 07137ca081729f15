#!/usr/bin/env bash
# mIoU along the way, from CAM to the second round's predictions, as one table; <run>/summary.json. Each folder that the
# run has is scored: one without saliency has IRN's labels. Labels of rules of your own, <run>/label_*, are scored like
# the method's.
source "$(dirname "$0")/env.sh"
if [ -d "$DATA/lists" ] && [ ! -d "$DATA/SegmentationClass" ]; then
    echo "$RUN: not scored, $DATA has no ground truth (SegmentationClass)"
    exit
fi
score() { # folder, split, further arguments
    [ ! -d "$RUN/$1" ] || scripts/evaluate.sh "$@"
}
for maps in cam oa_cam cam_pyramid amn_cam; do # they become labels by a threshold: the best on the ground truth, and a fixed one
    score "$maps" "$EVAL_TRAIN" --map-thresholds 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9
done
for labels in label_initial label_pseudo label_seed label_irn pred1 label_masked; do
    score "$labels" "$EVAL_TRAIN"
done
for path in "$RUN"/label_*; do # of further rules; variants, as label_masked_all, have tables of their own
    labels=$(basename "$path")
    [[ ${labels}_ == label_@(initial|pseudo|seed|irn|masked)_* ]] || score "$labels" "$EVAL_TRAIN"
done
for round in 1 2; do
    score "pred${round}_$VAL" "$VAL"
done
python -m report.tables.summary --run "$RUN" --val "$VAL"
