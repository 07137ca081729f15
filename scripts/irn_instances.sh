#!/usr/bin/env bash
# IRN: CAMs and displacements to instances, of the images of EVAL_TRAIN.
# Further arguments are passed on and win over those below.
source "$(dirname "$0")/env.sh"
$LAUNCH irn.instances --data "$DATA" --split "$EVAL_TRAIN" --maps "$RUN/cam_pyramid" --weights "$RUN/irn/weights.pth" \
    --out "$RUN/instances" --background 0.25 --radius 5 --beta 10 --exponent 8 "$@"
