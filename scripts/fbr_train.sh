#!/usr/bin/env bash
# Classifier as cls_train.sh, trained with FBR's losses beside the classification (docs/fbr.md); the published numbers.
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH fbr.train --data "$DATA" --split "$TRAIN" --out "$RUN/cls" \
    --epochs 14 --batch-size 5 --lr 1e-3 --weight-decay 5e-4 --decay-epochs 5 10 --input-size 256 --nodes 64 \
    --heads two --embedding 128 --labels cam --background 0.1 \
    --nroi-weight 0.05 --intra-weight 0.1 --similarity-weight 0.1 --segmentation-weight 0.1 \
    --centres 8 --bank-size 100000 --negatives 256 --temperature 0.5 --queries 1024 \
    --hard-quantile 0.4 --entropy-quantile 0.25 --prototype-pixels 32 --contrast-from 1 "$@"
