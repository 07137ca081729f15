#!/usr/bin/env bash
# IRN: CAMs to labels by a random walk between the boundaries, without saliency.
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH irn.walk --data "$DATA" --split "$TRAIN" --maps "$RUN/cam_pyramid" --weights "$RUN/irn/weights.pth" \
    --out "$RUN/label_irn" --power 1.3 --background 0.25 --radius 5 --beta 10 --exponent 8 "$@"
