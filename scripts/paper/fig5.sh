#!/usr/bin/env bash
# Figure 5: eight training images on their way through the method, those that gain and lose most by NSRM;
# <run>/fig5.png.
source "$(dirname "$0")/../method.sh"
whole_method
predict 2 "$EVAL_TRAIN" pred2
python -m report.tables.gallery --data "$DATA" --split "$EVAL_TRAIN" --run "$RUN" --out "$RUN/fig5.png"
