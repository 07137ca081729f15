#!/usr/bin/env bash
# Background extraction: OA-CAM and saliency to initial labels (paper 3.2).
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH_LABELS pseudo.background --data "$DATA" --split "$TRAIN" \
    --oa-cam "$RUN/oa_cam" --out "$RUN/label_initial" \
    --score-threshold 0.3 --conflict-threshold 0.9 --attention-threshold 0.8 --saliency-threshold 32 "$@"
