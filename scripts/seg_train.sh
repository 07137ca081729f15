#!/usr/bin/env bash
# DeepLab-v2 (paper 4.1): ROUND=1 on the pseudo labels, ROUND=2 on the masked labels.
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
ROUND=${ROUND:-1}
LABELS=$([ "$ROUND" = 1 ] && echo label_pseudo || echo label_masked)
$LAUNCH seg.train --data "$DATA" --split "$TRAIN" --labels "$RUN/$LABELS" --out "$RUN/seg$ROUND" \
    --backbone resnet101 --iterations 10000 --batch-size 10 --lr 2.5e-4 --weight-decay 1e-4 --crop-size 321 "$@"
