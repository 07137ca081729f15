#!/usr/bin/env bash
# mIoU along the way, from CAM to the second round's predictions, as one table; <run>/summary.json.
source "$(dirname "$0")/env.sh"
EVAL_TRAIN=${EVAL_TRAIN:-$TRAIN}  # training images with ground truth: train on VOC, where train_aug has none
score() { # name, split, folder of predictions, further arguments
    python -m seg.evaluate --data "$DATA" --split "$2" --pred "$RUN/$3" --out "$RUN/scores/$1" "${@:4}" >/dev/null
}
# Class maps become labels by a threshold; as usual in the field, the best one counts (it is chosen on the ground truth).
THRESHOLDS=(0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9)
score train_cam "$EVAL_TRAIN" cam --map-thresholds "${THRESHOLDS[@]}"
score train_oa_cam "$EVAL_TRAIN" oa_cam --map-thresholds "${THRESHOLDS[@]}"
for labels in label_initial label_pseudo pred1 label_masked; do
    score "train_$labels" "$EVAL_TRAIN" "$labels"
done
for round in 1 2; do
    score "val_round$round" "$VAL" "pred${round}_$VAL"
done
python -m seg.summary --run "$RUN"
