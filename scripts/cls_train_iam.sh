#!/usr/bin/env bash
# Integral attention model, trained on the accumulated attention (paper 3.1).
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH cls.train_iam --data "$DATA" --split "$TRAIN" --attention "$RUN/cls/attention" --out "$RUN/iam" \
    --epochs 14 --batch-size 5 --lr 1e-3 --weight-decay 5e-4 --decay-epochs 5 10 --input-size 256 --nodes 64 "$@"
