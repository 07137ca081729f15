#!/usr/bin/env bash
# Table 3: what each component adds.
source "$(dirname "$0")/../method.sh"
components
predict _initial "$TRAIN" pred_initial
segment _retrain "$RUN/pred_initial" # the prediction itself as label
segment _pom_retrain "$RUN/pred1"
table table3 "Table 3: components" \
    --row "baseline" 67.7 "no_glore/pred_initial_$VAL" \
    --row "+ GR" 68.8 "pred_initial_$VAL" \
    --row "+ GR + retrain" 68.7 "pred_retrain_$VAL" \
    --row "+ GR + POM" 69.0 "pred1_$VAL" \
    --row "+ GR + POM + retrain" 69.7 "pred_pom_retrain_$VAL" \
    --row "+ GR + POM + NSRM" 70.4 "pred2_$VAL"
