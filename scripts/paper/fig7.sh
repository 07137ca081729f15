#!/usr/bin/env bash
# Figure 7: the number of GloRe's nodes; each runs the whole method.
source "$(dirname "$0")/../method.sh"
whole_method
rows=()
for nodes in "${NODES[@]}"; do
    folder=
    if [ "$nodes" != "$NODE" ]; then
        folder=nodes$nodes/
        (RUN=$RUN/nodes$nodes; classify --nodes "$nodes"; two_rounds "")
    fi
    rows+=(--row "$nodes" "" "${folder}pred2_$VAL")
done
table fig7 "Figure 7: nodes N" --plot "nodes N" "${rows[@]}" \
    --note "Paper, on VOC: a large N does not help much; 64 is taken (70.4)."
