"""What a GPU has to show, in at most 8 minutes: that everything works there, how fast, and the time of the paper's run.

python benchmarks/gpu_check.py [--only CHECKS] [--out FILE]. A check that fails is printed as FAILED, and makes the exit
status 1; the others still run. The lines also go to a file of JSON lines, from which benchmarks/page.py makes a
section of docs/bench/tables.md: $OUT/gpu_check.jsonl, or --out. THIN=1 makes everything tiny, for a try on a CPU.
"""

if __name__ == "__main__":  # the processes of seg.predict import this file again: without PyTorch they start at once
    from gpu_runner import main

    main(__doc__)
