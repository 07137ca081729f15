#!/usr/bin/env bash
# Non-salient region masking: round 1 predictions to masked labels (paper 3.3).
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH_LABELS pseudo.nsrm --data "$DATA" --split "$TRAIN" \
    --pred "$RUN/pred1" --label "$RUN/label_pseudo" --out "$RUN/label_masked" \
    --kernel-size 30 "$@"
