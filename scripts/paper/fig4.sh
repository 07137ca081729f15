#!/usr/bin/env bash
# Figure 4: validation images, simple and complex ones, with the predictions of Table 3's baseline, + GR, + GR + POM and
# of the whole method: those that gain and lose most; <run>/fig4.png.
source "$(dirname "$0")/../method.sh"
components
python -m report.tables.figure4 --data "$DATA" --split "$VAL" --run "$RUN" --out "$RUN/fig4.png" \
    --column "baseline" "no_glore/pred_initial_$VAL" \
    --column "+ GR" "pred_initial_$VAL" \
    --column "+ GR + POM" "pred1_$VAL" \
    --column "+ GR + POM + NSRM" "pred2_$VAL"
