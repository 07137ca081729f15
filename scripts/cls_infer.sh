#!/usr/bin/env bash
# CAMs from the classifier, OA-CAMs from the integral attention model (paper 3.1).
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH cls.infer --data "$DATA" --split "$TRAIN" --weights "$RUN/cls/weights.pth" --out "$RUN/cam" "$@"
$LAUNCH cls.infer --data "$DATA" --split "$TRAIN" --weights "$RUN/iam/weights.pth" --out "$RUN/oa_cam" "$@"
