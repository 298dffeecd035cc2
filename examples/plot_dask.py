"""
Distribute folds with dask
==========================

Can dask run the folds on other workers, with the same pipeline and the same scores? skcxr uses
joblib for parallelism, so one line selects dask, also for a cluster of many machines. This example
uses two workers, and shows which worker ran which fold, and when.
"""

import os
import time

import joblib
import matplotlib.pyplot as plt
import torch
from distributed import Client, LocalCluster, get_task_stream
from imblearn.pipeline import Pipeline
from sklearn.model_selection import cross_validate

from skcxr import DCGAN, CXRClassifier, DCGANOversampler
from skcxr.datasets import make_chest_phantoms

short = os.environ.get("SKCXR_GALLERY_SHORT") == "1"  # quick run, without meaningful results

phantoms = make_chest_phantoms(
    [12, 8] if short else [60, 30], classes=["normal", "covid"], image_size=32, random_state=0
)
gan = DCGAN(image_size=32, base_width=16, batch_size=16, max_epochs=1 if short else 6, lr=8e-4)
clf = CXRClassifier(max_epochs=2 if short else 20, random_state=0)
pipe = Pipeline([("gan", DCGANOversampler(gan, random_state=0)), ("clf", clf)])


def scores():
    """Return the accuracies of four folds, and their time in seconds."""
    start = time.perf_counter()
    result = cross_validate(pipe, phantoms.data, phantoms.target, cv=4, error_score="raise")
    return result["test_score"], time.perf_counter() - start


# %%
# First, this process runs one fold after the other. The number of threads changes the order of
# summation, and a task of dask gets one thread. This run uses one thread too, so that scores are
# equal to the last bit.

n_threads = torch.get_num_threads()
torch.set_num_threads(1)
here, seconds_here = scores()

# %%
# Then two workers run the folds. With ``processes=False``, they are threads of this process,
# because this page is built in one process. ``Client("tcp://scheduler-host:8786")`` connects to
# workers on other machines. In a script that starts processes, put this code below
# ``if __name__ == "__main__":``. :doc:`/scale` describes what happens if a worker dies.

cluster = LocalCluster(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None)
with (
    cluster,
    Client(cluster) as client,
    get_task_stream(client) as stream,
    joblib.parallel_config("dask"),
):
    there, seconds_there = scores()
torch.set_num_threads(n_threads)
print(here, there, sep="\n")

# %%
# Each blue bar is a fold, from the training of its GAN to its score. The time that two workers save
# depends on the number of free cores. The scores do not depend on it.

tasks = sorted(
    (step["start"], step["stop"], task["worker"])
    for task in stream.data
    for step in task["startstops"]
    if step["action"] == "compute"
)
begin, workers = tasks[0][0], sorted({worker for _, _, worker in tasks})
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
ax.barh(0, seconds_here, color="0.65", height=0.6)
ax.text(seconds_here / 2, 0, "four folds", ha="center", va="center")
for number, (start, stop, worker) in enumerate(tasks, start=1):
    row = 1 + workers.index(worker)
    ax.barh(row, stop - start, left=start - begin, color="#0072B2", edgecolor="white", height=0.6)
    ax.text(
        (start + stop) / 2 - begin, row, f"task {number}", ha="center", va="center", color="white"
    )
ax.set_yticks(range(1 + len(workers)), ["here", *(f"worker {i + 1}" for i in range(len(workers)))])
ax.invert_yaxis()
ax.set_xlabel("seconds")
ax.spines[["top", "right", "left"]].set_visible(False)
ax.tick_params(left=False)
equal = "same" if (here == there).all() else "different"
ax.set_title(f"{seconds_here:.0f} s here, {seconds_there:.0f} s on two workers; {equal} scores")
plt.show()
