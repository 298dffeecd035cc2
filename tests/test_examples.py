"""Each page of the gallery runs on its short setting and ends in one picture."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))
NEEDS = {"dask": "distributed", "own_images": "pydicom", "persistence": "skops"}
# Their few seconds are what the suite has for this; the others run where the site is built.
QUICK = {"audit", "dask", "own_generator", "own_images", "persistence", "watch_training"}

RUN = """
import runpy, sys, warnings
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
plt.show = lambda: None  # a backend without a window would warn
warnings.simplefilter("error")
runpy.run_path(sys.argv[1], run_name="__main__")
(figure,) = map(plt.figure, plt.get_fignums())
figure.canvas.draw()
titles = [part.get_suptitle() for part in (figure, *figure.subfigs)]
print("titled:", any(titles + [ax.get_title() for ax in figure.axes]))
"""


def name(path):
    return path.stem.removeprefix("plot_")


def test_the_gallery_has_its_thirteen_pages_and_a_header():
    assert len(EXAMPLES) == 13
    assert (ROOT / "examples" / "GALLERY_HEADER.rst").is_file()
    assert {*NEEDS, *QUICK} <= {name(path) for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_a_page_has_a_title_and_says_what_it_asks(path):
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    title, underline, blank, *text = docstring.splitlines()
    assert underline == "=" * len(title)
    assert not blank
    assert "?" in title + " ".join(text)


@pytest.mark.parametrize("path", [p for p in EXAMPLES if name(p) in QUICK], ids=name)
def test_a_page_runs_without_a_warning_and_draws_one_titled_figure(path, tmp_path):
    pytest.importorskip(NEEDS.get(name(path), "skcxr"))
    environment = os.environ | {"SKCXR_GALLERY_SHORT": "1", "OMP_NUM_THREADS": "1"}
    # Where an example is run, the package need not be the installed one.
    environment["PYTHONPATH"] = str(ROOT)
    result = subprocess.run(
        [sys.executable, "-c", RUN, str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.endswith("titled: True\n")
    assert not list(tmp_path.iterdir())
