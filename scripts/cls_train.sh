#!/usr/bin/env bash
# Classifier with GloRe; accumulates attention online (paper 3.1, 4.1).
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH cls.train --data "$DATA" --split "$TRAIN" --out "$RUN/cls" \
    --epochs 14 --batch-size 5 --lr 1e-3 --weight-decay 5e-4 --decay-epochs 5 10 --input-size 256 --nodes 64 "$@"
