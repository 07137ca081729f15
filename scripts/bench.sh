#!/usr/bin/env bash
# The benchmarks, on a machine that has nothing else to do: docs/bench/lines.jsonl and docs/bench/tables.md. About 40 minutes on 2 cores.
# scripts/study/precision.sh, an hour more, is the comparison of the precisions' quality; its runs/precision/results.jsonl goes to
# docs/bench/precision.jsonl.
source "$(dirname "$0")/env.sh"
lines=docs/bench/lines.jsonl
{
    python benchmarks/labels.py
    python benchmarks/training.py --compile --profile
    python benchmarks/fbr_cost.py
    python benchmarks/loading.py
    python benchmarks/inference.py --images 16
    python benchmarks/crf.py
    python benchmarks/walk.py
    python benchmarks/scaling.py
    python benchmarks/coco.py
} | tee "$lines.partial"
mv "$lines.partial" "$lines"
[ ! -e runs/precision/results.jsonl ] || cp runs/precision/results.jsonl docs/bench/precision.jsonl
python benchmarks/page.py
