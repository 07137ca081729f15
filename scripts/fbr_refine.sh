#!/usr/bin/env bash
# CAMs refined by the image's colours: a comparison of the study (docs/fbr.md), no step of the method.
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH_LABELS fbr.refine --data "$DATA" --split "$TRAIN" --maps "$RUN/cam" --out "$RUN/cam_refined" \
    --sigma 0.03 --steps 10 "$@"
