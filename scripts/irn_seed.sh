#!/usr/bin/env bash
# Refined seeds for IRN from the CAMs: objects and background that a strict and a loose threshold agree on.
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH irn.seed --data "$DATA" --split "$TRAIN" --maps "$RUN/cam_pyramid" --out "$RUN/label_seed" \
    --strict 0.3 --loose 0.05 --confidence 0.7 --crf-iterations 10 --crf-gaussian-sxy 3 --crf-gaussian-weight 3 \
    --crf-bilateral-sxy 50 --crf-bilateral-srgb 5 --crf-bilateral-weight 10 "$@"
