#!/usr/bin/env bash
# The classifier's CAMs, summed over scales and flips: what IRN starts from.
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH cls.infer --data "$DATA" --split "$TRAIN" --weights "$RUN/cls/weights.pth" --out "$RUN/cam_pyramid" \
    --scales 1 0.5 1.5 2 --flip "$@"
