#!/usr/bin/env bash
# Potential object mining: initial to pseudo labels (paper 3.2, Eq. 5-7).
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH_LABELS pseudo.pom --data "$DATA" --split "$TRAIN" \
    --label "$RUN/label_initial" --cam "$RUN/cam" --out "$RUN/label_pseudo" \
    --background-threshold 0.3 "$@"
