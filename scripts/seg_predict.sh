#!/usr/bin/env bash
# Predictions with CRF (paper 4.1) of ROUND=1 or 2, on the training images (<run>/pred1) or another SPLIT
# (<run>/pred1_val).
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
ROUND=${ROUND:-1}
SPLIT=${SPLIT:-$TRAIN}
OUT=$RUN/pred$ROUND$([ "$SPLIT" = "$TRAIN" ] || echo "_$SPLIT")
$LAUNCH seg.predict --data "$DATA" --split "$SPLIT" --weights "$RUN/seg$ROUND/weights.pth" --out "$OUT" \
    --crf --crf-iterations 10 --crf-bilateral-sxy 67 --crf-bilateral-srgb 3 "$@"
