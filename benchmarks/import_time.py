"""Compare the import time of skcxr's estimators with that of its four libraries alone.

    python benchmarks/import_time.py --runs 9

Each run is a new interpreter. The statements take turns, so that noise of the machine affects all
alike. Ratios are of medians; the goal is at most 1.3.
"""

import argparse
import statistics
import subprocess
import sys
import time

LIBRARIES = "import torch, sklearn.base, skorch, imblearn.over_sampling"
STATEMENTS = {
    "the four libraries": LIBRARIES,
    "from skcxr import DCGAN, DCGANOversampler, CXRClassifier": (
        "from skcxr import DCGAN, DCGANOversampler, CXRClassifier"
    ),
    "import skcxr": "import skcxr",
    "nothing": "pass",
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    seconds = {name: [] for name in STATEMENTS}
    for _ in range(args.runs + 1):
        for name, statement in STATEMENTS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            seconds[name].append(time.perf_counter() - start)
    # The first run is a warm-up.
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    print(f"{'statement':60} {'median s':>9} {'ratio':>6}")
    for name, median in medians.items():
        print(f"{name:60} {median:9.2f} {median / medians['the four libraries']:6.2f}")


if __name__ == "__main__":
    main()
