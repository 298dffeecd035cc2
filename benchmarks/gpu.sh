#!/usr/bin/env bash
# Measure a GPU in one unattended run of at most 8 minutes.
#
#     bash benchmarks/gpu.sh --out FOLDER [--wheels FOLDER] [--device cuda|cpu] [--quick]
#
# The script runs the tests marked `cuda` and benchmarks/gpu.py, and writes gpu.md, tests.log and
# kernels.txt into the folder. It needs only a checkout. Wheels that the machine lacks are installed
# into a temporary folder. Without a GPU, --device cpu --quick tests the script itself.
set -uo pipefail
cd "$(dirname "$0")/.."

out=results/gpu wheels="" device=cuda quick=""
while [ $# -gt 0 ]; do
    case $1 in
        --out) out=$2; shift 2 ;;
        --wheels) wheels=$2; shift 2 ;;
        --device) device=$2; shift 2 ;;
        --quick) quick=--quick; shift ;;
        --help) sed -n '2,/^set/s/^# \?//p' "$0"; exit ;;
        *) echo "unknown option $1" >&2; exit 2 ;;
    esac
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
if [ -n "$wheels" ]; then
    python3 -m pip install --quiet --no-index --no-deps --target "$site" "$wheels"/*.whl || exit 1
fi
export PYTHONPATH=$site:$PWD PYTHONUNBUFFERED=1
status=0

echo "== tests marked cuda"
mapfile -t files < <(grep -rl "mark.cuda" tests --include="test_*.py")
timeout 60 python3 -m pytest -m cuda -q -p no:cacheprovider -W default --durations=5 "${files[@]}" \
    2>&1 | tee "$out/tests.log"
[ "${PIPESTATUS[0]}" = 0 ] || status=1

echo "== benchmarks/gpu.py"
timeout 300 python3 benchmarks/gpu.py --device "$device" $quick --out "$out" 2>&1 | tee "$out/gpu.log"
[ "${PIPESTATUS[0]}" = 0 ] || status=1
exit $status
