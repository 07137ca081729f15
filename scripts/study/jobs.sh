# Sourced by the studies, with method.sh: scripts of several runs at once, each on a core of its own, which is faster than
# one after the other on all cores. JOBS: how many at once (default: as many as there are cores). On the CPU, unless GPUS
# names GPUs: then job i takes number i mod n of them and any core, and by default a GPU has one job at a time.
source "$(dirname "${BASH_SOURCE[0]}")/../method.sh"
CORES=$(python -c "import os; print(*sorted(os.sched_getaffinity(0)))")
JOBS=${JOBS:-$(tr , " " <<<"${GPUS:-$CORES}" | wc -w)}
export CORES
[ -n "${GPUS:-}" ] || export CUDA_VISIBLE_DEVICES=

job() { # folder, seed, script: DATA is SHARED_DATA or <folder>/toy<seed>, RUN <folder>/seed<seed>; ROW is in the log's name
    local cores=($CORES) start=$SECONDS own
    own=${cores[SLOT % ${#cores[@]}]}
    local gpus=($(tr , " " <<<"${GPUS:-}")) name=$(basename "$3" .sh)${ROW:+_${ROW%% *}}
    if [ ${#gpus[@]} -gt 0 ]; then
        export GPUS=${gpus[SLOT % ${#gpus[@]}]} LAUNCH="python -m"
        own=${CORES// /,}
    fi
    export SEED=$2 DATA=${SHARED_DATA:-$1/toy$2} RUN=$1/seed$2 OMP_NUM_THREADS=1
    mkdir -p "$RUN"
    if taskset -c "$own" "$3" >"$RUN/$name.log" 2>&1; then
        echo "$RUN: $name, $((SECONDS - start)) s"
    else
        echo "$RUN: $name failed; the end of $RUN/$name.log:" >&2
        tail -n 5 "$RUN/$name.log" >&2
        return 1
    fi
}
export -f job

run_jobs() { # [variable]: on standard input, lines "folder seed script [word …]"; the words go to it, else to TOY_ARGS
    xargs -r -P "$JOBS" -L 1 --process-slot-var=SLOT bash -c 'export "$1=${*:5}"; job "${@:2:3}"' _ "${1:-TOY_ARGS}"
}

results() { # study, seeds: its lines and tables, OUT/results.jsonl and OUT/RESULTS.md
    local runs=("${@:2}")
    python -m report.studies.collect --study "$1" --runs "${runs[@]/#/$OUT/seed}" --out "$OUT/results.jsonl"
    python -m report.studies.tables --study "$1" --results "$OUT/results.jsonl" --out "$OUT/RESULTS.md"
    echo "everything: $SECONDS s"
}
