"""What the pages of the site say is so: their code runs, and their addresses are those in use."""

import doctest
import re
from pathlib import Path

import pytest

from skcxr import DCGAN, CXRClassifier

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "docs" / "guide").glob("*.md"))
CHAPTERS = [path for path in CHAPTERS if path.stem != "index"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_code_of_a_chapter_runs(chapter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    # A closing fence would be taken for output.
    text = re.sub(r"^```.*$", "", chapter.read_text(), flags=re.MULTILINE)
    page = doctest.DocTestParser().get_doctest(text, {}, chapter.stem, str(chapter), 0)
    runner, complaints = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), []
    runner.run(page, out=complaints.append)
    assert page.examples
    assert not complaints, "".join(complaints)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_no_code_that_is_not_run(chapter):
    assert "```python" not in chapter.read_text()


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_pipeline_on_the_first_page_runs(page, phantoms, monkeypatch):
    short = {"image_size": 16, "base_width": 4, "max_epochs": 1, "steps_per_epoch": 1}
    for name, value in short.items():
        monkeypatch.setitem(DCGAN.__init__.__kwdefaults__, name, value)
    monkeypatch.setitem(CXRClassifier.__init__.__kwdefaults__, "max_epochs", 2)
    code = re.search(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)[1]
    names = {"X": phantoms.data, "y": phantoms.target}
    exec(code, names)
    assert len(names["scores"]["test_score"]) == 4
