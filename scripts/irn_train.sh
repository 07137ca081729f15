#!/usr/bin/env bash
# IRN: class boundaries and displacements, learned from the seeds.
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH irn.train --data "$DATA" --split "$TRAIN" --seeds "$RUN/label_seed" --out "$RUN/irn" \
    --backbone resnet50 --epochs 3 --batch-size 32 --lr 0.1 --weight-decay 1e-4 --crop-size 512 --radius 10 "$@"
