#!/usr/bin/env bash
# The benchmarks, on an otherwise idle machine: docs/bench/lines.jsonl and docs/bench/tables.md. About 40 minutes on 2 cores.
source "$(dirname "$0")/env.sh"
lines=docs/bench/lines.jsonl
{
    python benchmarks/labels.py
    python benchmarks/training.py
    python benchmarks/inference.py --images 16
    python benchmarks/crf.py
    python benchmarks/crf.py --classes 81 --size 480 640 --rounds 1
    python benchmarks/coco.py
} | tee "$lines.partial"
mv "$lines.partial" "$lines"
python benchmarks/page.py "$lines" >docs/bench/tables.md
