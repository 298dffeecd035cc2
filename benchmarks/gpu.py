"""Measure training, inference and saving on a GPU and write one Markdown table.

    python benchmarks/gpu.py --out results/gpu

``benchmarks/gpu.sh`` runs it after the tests. Each part is written as soon as it is measured. A
part that fails is recorded as failed, and the next one is measured; the exit status is then 1.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch
from classifier_epoch import build_stock_net
from gan_step import (
    CommonWay,
    build_skcxr_step,
    count_step_flop,
    measure_matrix_peak,
    time_side_by_side,
    time_step,
    wait,
)

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms
from skcxr.gan._cuda_graph import own_stream
from skcxr.over_sampling import grow

WIDTHS = (16, 32, 64)
LOAD_ON_CPU = """
import sys, joblib, numpy as np, torch
assert not torch.cuda.is_available()
gan, clf, X, scores, proba = joblib.load(sys.argv[1])
print(np.abs(gan.decision_function(X) - scores).max(), np.abs(clf.predict_proba(X) - proba).max())
"""


class Table:
    """Rows of the result, written to a file after each one."""

    def __init__(self, path, heading):
        self.path = path
        self.heading = heading
        self.rows = []

    def add(self, part, what, value, unit=""):
        """Add a row and write the file."""
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        self.rows.append({"part": part, "what": what, "value": text, "unit": unit})
        print(f"{part}: {what}: {text} {unit}", flush=True)
        table = pd.DataFrame(self.rows).to_markdown(index=False, disable_numparse=True)
        self.path.write_text(f"{self.heading}\n\n{table}\n")


def describe_machine(device):
    """Return one line with the device, its driver and the versions of the software."""
    words = [f"PyTorch {torch.__version__}", f"Python {platform.python_version()}"]
    if device.type == "cuda":
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True).stdout.strip()
        words = [torch.cuda.get_device_name(device), f"driver {driver}", *words]
        words.append(f"CUDA {torch.version.cuda}")
        words.append(f"cuDNN {torch.backends.cudnn.version()}")
    else:
        words = [f"{torch.get_num_threads()} CPU threads", *words]
    return ", ".join(words)


def time_in_turn(ways, n_steps, n_rounds, device):
    """Return the median seconds of a step by each way; the ways take turns in each round."""
    seconds = {name: [] for name in ways}
    for step in ways.values():
        with own_stream(device):
            time_step(step, 6, device)
    for _ in range(n_rounds):
        for name, step in ways.items():
            with own_stream(device):
                seconds[name].append(time_step(step, n_steps, device))
    return {name: float(np.median(values)) for name, values in seconds.items()}


def measure_steps(table, args):
    """Time a GAN step by each way, at several widths, side by side."""
    X = make_chest_phantoms(70, random_state=0).images
    n_steps = 2 if args.quick else 60
    n_rounds = 1 if args.quick else 3
    for width in WIDTHS[: 1 if args.quick else None]:
        build = partial(build_skcxr_step, X, args.device, width=width)
        ways = {
            "common way, float32": CommonWay(X, args.device, width).step,
            "skcxr, bfloat16, no graph": build(precision="bfloat16", graph=False),
            "skcxr, float32": build(precision="float32"),
            "skcxr, bfloat16": build(precision="bfloat16"),
            "DCGAN() default recipe, bfloat16": build(precision="bfloat16", gan=DCGAN()),
        }
        medians = time_in_turn(ways, n_steps, n_rounds, args.device)
        common = medians["common way, float32"]
        for name, median in medians.items():
            table.add(f"step, width {width}", name, 1 / median, "steps/s")
            table.add(f"step, width {width}", name, common / median, "times the common way")
        for precision in ("float32", "bfloat16"):
            four = [build(precision=precision) for _ in range(4)]
            time_side_by_side(four, 6, args.device)
            together = [time_side_by_side(four, n_steps, args.device) for _ in range(n_rounds)]
            name = f"four classes, a stream each, {precision}"
            table.add(
                f"step, width {width}", name, 4 / float(np.median(together)), "steps/s in all"
            )
    peak = measure_matrix_peak(torch.bfloat16, args.device, 512 if args.quick else 8192)
    flop = count_step_flop(64)
    table.add("bound", "matrix product, bfloat16", peak / 1e12, "TFLOP/s")
    table.add("bound", "arithmetic of a step, width 64", flop / 1e9, "GFLOP")
    table.add("bound", "a step at that peak", 1e3 * flop / peak, "ms")


def profile_kernels(table, args):
    """Count the kernels of a step and sum their time, which no graph can save."""
    X = make_chest_phantoms(70, random_state=0).images
    activities = [torch.profiler.ProfilerActivity.CPU]
    if args.device.type == "cuda":
        activities = [torch.profiler.ProfilerActivity.CUDA]
    text = []
    for width in WIDTHS[:: 2 if not args.quick else 3]:
        step = build_skcxr_step(X, args.device, "bfloat16", width, graph=False)
        time_step(step, 6, args.device)
        with torch.profiler.profile(activities=activities, acc_events=True) as profile:
            time_step(step, 10, args.device)
        events = profile.key_averages()
        if args.device.type == "cuda":
            busy = sum(event.self_device_time_total for event in events) / 10
            count = sum(event.count for event in events if event.self_device_time_total) / 10
            table.add("bound", f"kernels in a step, width {width}", count, "kernels")
            table.add("bound", f"their time, width {width}", busy / 1e3, "ms")
        order = "self_device_time_total" if args.device.type == "cuda" else "self_cpu_time_total"
        text.append(f"width {width}, ten steps\n" + events.table(sort_by=order, row_limit=30))
    (args.out / "kernels.txt").write_text("\n\n".join(text))


def measure_paper(table, args):
    """Time the complete training of the paper's four GANs, side by side."""
    phantoms = make_chest_phantoms(280, random_state=0)
    gan = DCGAN.paper(device=str(args.device), random_state=0)
    if args.quick:
        gan.set_params(max_epochs=1, steps_per_epoch=2, base_width=8)
    sampler = DCGANOversampler(gan, sampling_strategy=grow(2), random_state=0)
    start = time.perf_counter()
    sampler.fit_resample(phantoms.data, phantoms.target)
    seconds = time.perf_counter() - start
    n_steps = 4 * gan.max_epochs * gan.steps_per_epoch
    table.add("paper's GANs", f"{n_steps} steps, four classes together", seconds, "s")
    table.add("paper's GANs", "rate", n_steps / seconds, "steps/s in all")
    if args.device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(args.device) / 2**20
        table.add("paper's GANs", "most memory on the GPU so far", peak, "MiB")


def measure_classifier(table, args):
    """Time an epoch of the classifier and of a stock skorch net, and inference."""
    data = make_chest_phantoms(202, random_state=0)
    X = data.images
    y = data.target.astype(np.int64)
    floats = (X[:, None] / 127.5 - 1).astype(np.float32)
    n_epochs = 1 if args.quick else 20
    params = {"max_epochs": n_epochs, "batch_size": 64}
    device = str(args.device)
    ways = {
        "stock skorch, no augmentation": lambda: (
            build_stock_net(**params).set_params(device=device).fit(floats, y)
        ),
        "CXRClassifier()": lambda: CXRClassifier(**params, device=device).fit(X, y),
        "CXRClassifier(precision='bfloat16')": lambda: CXRClassifier(
            **params, device=device, precision="bfloat16"
        ).fit(X, y),
    }
    for name, fit in ways.items():
        fit()
        wait(args.device)
        start = time.perf_counter()
        fit()
        wait(args.device)
        table.add(
            "classifier", name, 1e3 * (time.perf_counter() - start) / n_epochs, "ms per epoch"
        )
    clf = CXRClassifier(device=device, max_epochs=1, random_state=0).fit(X, y)
    gan = DCGAN.paper(device=device, max_epochs=1, steps_per_epoch=4, random_state=0).fit(X)
    n_images = 64 if args.quick else 16_384
    many = np.resize(X, (n_images, 64, 64))
    for name, run in {
        "predict_proba": lambda: clf.predict_proba(many),
        "sample, width 64": lambda: gan.sample(n_images, random_state=0),
    }.items():
        run()
        start = time.perf_counter()
        run()
        table.add("inference", name, n_images / (time.perf_counter() - start), "images/s")


def load_elsewhere(table, args):
    """Save estimators that were fitted on the device, and use them in a process without a GPU."""
    data = make_chest_phantoms(48, random_state=0)
    device = str(args.device)
    gan = DCGAN(device=device, max_epochs=1, steps_per_epoch=6, base_width=16, random_state=0)
    clf = CXRClassifier(device=device, max_epochs=2, random_state=0)
    gan.fit(data.data)
    clf.fit(data.data, data.target)
    scores = gan.decision_function(data.data)
    proba = clf.predict_proba(data.data)
    gan.set_params(device="auto")
    clf.set_params(device="auto")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fitted.joblib"
        joblib.dump((gan, clf, data.data, scores, proba), file)
        command = [sys.executable, "-c", LOAD_ON_CPU, str(file)]
        env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        run = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr[-2000:])
    logits, probabilities = run.stdout.split()
    table.add("saved here, loaded on a CPU", "largest difference of logits", float(logits))
    table.add("saved here, loaded on a CPU", "of probabilities", float(probabilities))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", type=torch.device, default="cuda")
    parser.add_argument("--quick", action="store_true", help="run a few steps, to test the script")
    parser.add_argument("--out", type=Path, default=Path("results/gpu"))
    args = parser.parse_args()
    args.device = torch.empty(0, device=args.device).device
    args.out.mkdir(parents=True, exist_ok=True)
    table = Table(args.out / "gpu.md", describe_machine(args.device))
    failed = False
    for measure in (
        measure_steps,
        measure_paper,
        measure_classifier,
        load_elsewhere,
        profile_kernels,
    ):
        start = time.perf_counter()
        try:
            measure(table, args)
        except Exception as error:
            failed = True
            traceback.print_exc()
            reason = str(error).strip().splitlines()[-1:] or [""]
            table.add(measure.__name__, "failed", f"{type(error).__name__}: {reason[0]}")
        print(f"-- {measure.__name__}: {time.perf_counter() - start:.0f} s", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
