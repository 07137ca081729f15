#!/usr/bin/env bash
# Controls of Table 3: a unit with GloRe's batch norm that relates no regions, and full supervision (it needs ground
# truth of the training images).
source "$(dirname "$0")/../method.sh"
prepare
classify
baseline
(RUN=$RUN/local_unit; classify --local-unit; segment _initial "$RUN/label_initial")
segment _initial "$RUN/label_initial"
segment _full "$DATA/SegmentationClass"
table controls "Controls" \
    --row "baseline" "" "no_glore/pred_initial_$VAL" \
    --row "+ local unit" "" "local_unit/pred_initial_$VAL" \
    --row "+ GR" "" "pred_initial_$VAL" \
    --row "full supervision" "" "pred_full_$VAL"
