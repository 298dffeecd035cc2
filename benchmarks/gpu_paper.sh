#!/usr/bin/env bash
# The paper's experiment at its full size on one GPU, in at most 6 minutes.
#
#     bash benchmarks/gpu_paper.sh --out FOLDER --data FOLDER [--wheels FOLDER] [--seconds N]
#                                  [--device cuda|cpu] [--quick]
#
# It trains the GANs of experiments/paper_size.py, part after part, for as many seconds, and packs
# the synthetic images of each recipe and seed into one file. Classify them anywhere:
#
#     python experiments/paper_size.py classify --data FOLDER --keep FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

out=results/paper_size data="" wheels="" seconds=330 device=cuda quick=""
while [ $# -gt 0 ]; do
    case $1 in
        --out) out=$2; shift 2 ;;
        --data) data=$2; shift 2 ;;
        --wheels) wheels=$2; shift 2 ;;
        --seconds) seconds=$2; shift 2 ;;
        --device) device=$2; shift 2 ;;
        --quick) quick="--steps 2"; shift ;;
        *) echo "unknown option $1" >&2; exit 2 ;;
    esac
done
[ -n "$data" ] || { echo "--data FOLDER is missing" >&2; exit 2; }
mkdir -p "$out"
keep=$(mktemp -d)
trap 'rm -rf "$keep"' EXIT
if [ -n "$wheels" ]; then
    python3 -m pip install --quiet --no-index --no-deps --target "$keep/site" "$wheels"/*.whl
fi
export PYTHONPATH=$keep/site:$PWD PYTHONUNBUFFERED=1
timeout $((seconds + 20)) python3 experiments/paper_size.py gans --data "$data" --keep "$keep/gans" \
    --recipes paper default --seeds 0 1 --seconds "$seconds" --device "$device" $quick || status=$?
for recipe in paper default; do
    for seed in 0 1; do
        (cd "$keep/gans" && ls "$recipe-seed$seed"-* >/dev/null 2>&1 &&
            tar cf - "$recipe-seed$seed"-*) > "$out/$recipe-seed$seed.tar" ||
            rm -f "$out/$recipe-seed$seed.tar"
    done
done
exit "${status:-0}"
