#!/usr/bin/env bash
# Table 4: variants of NSRM.
source "$(dirname "$0")/../method.sh"
whole_method
variant() { # suffix, arguments of pseudo.nsrm
    mask "$@" --pred "$RUN/pred1"
    segment "2$1" "$RUN/label_masked$1"
}
variant _all --all-images
variant _no_expansion --no-expansion
variant _no_masking --no-masking
variant _no_dilation --no-dilation
table table4 "Table 4: NSRM" \
    --row "NSRM" 70.4 "pred2_$VAL" \
    --row "NSRM all" 68.8 "pred2_all_$VAL" \
    --row "NSRM - object expansion" 70.2 "pred2_no_expansion_$VAL" \
    --row "NSRM - masking" 70.0 "pred2_no_masking_$VAL" \
    --row "NSRM - dilation" 68.5 "pred2_no_dilation_$VAL"
