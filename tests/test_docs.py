"""What the pages of the site say is so: their code runs, and their addresses are those in use."""

import doctest
import re
from pathlib import Path

import pytest

from skcxr import DCGAN, CXRClassifier, DCGANOversampler, __version__
from skcxr._base.estimators import DOCUMENTATION
from tests.test_public_api import public_names

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "docs" / "guide").glob("*.md"))
CHAPTERS = [path for path in CHAPTERS if path.stem != "index"] + [ROOT / "docs" / "questions.md"]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_code_of_a_chapter_runs(chapter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    # A closing fence would be taken for output.
    text = re.sub(r"^```.*$", "", chapter.read_text("utf-8"), flags=re.MULTILINE)
    page = doctest.DocTestParser().get_doctest(text, {}, chapter.stem, str(chapter), 0)
    runner, complaints = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), []
    runner.run(page, out=complaints.append)
    assert page.examples
    assert not complaints, "".join(complaints)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_no_code_that_is_not_run(chapter):
    assert "```python" not in chapter.read_text("utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_pipeline_on_the_first_page_runs(page, phantoms, monkeypatch):
    short = {"image_size": 16, "base_width": 4, "max_epochs": 1, "steps_per_epoch": 1}
    for name, value in short.items():
        monkeypatch.setitem(DCGAN.__init__.__kwdefaults__, name, value)
    monkeypatch.setitem(CXRClassifier.__init__.__kwdefaults__, "max_epochs", 2)
    code = re.search(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)[1]
    names = {"X": phantoms.data, "y": phantoms.target}
    exec(code, names)
    assert len(names["scores"]["test_score"]) == 4


@pytest.mark.parametrize("estimator", [DCGAN, DCGANOversampler, CXRClassifier])
def test_an_estimators_html_links_to_a_page_that_the_reference_makes(estimator):
    folders = re.findall(r":toctree: (\S+)", (ROOT / "docs" / "api.rst").read_text("utf-8"))
    assert set(folders) == {"generated/"}
    pages = [f"{DOCUMENTATION}/generated/{module}.{name}.html" for module, name in public_names()]
    assert estimator()._get_doc_link() in pages


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ("CITATION.cff", r"^version: (.*)$"),
        ("docs/citing.md", r"^  version = \{(.*)\},$"),
        ("skcxr/_version.py", r'^__version__ = "(.*)"$'),
    ],
)
def test_what_is_cited_is_this_version(page, line):
    assert re.findall(line, (ROOT / page).read_text("utf-8"), flags=re.MULTILINE) == [__version__]


def test_the_changelog_begins_with_this_version():
    headings = re.findall(r"^## \[(.*?)\](.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    date = re.findall(r"^date-released: (.*)$", citation, re.M)
    if ".dev" in __version__:
        assert headings[0] == ("Unreleased", "")
        assert date == []
    else:
        (day,) = date
        assert headings[0] == (__version__, f" - {day}")


@pytest.mark.parametrize("file", ["pyproject.toml", "setup.py", "docs/conf.py", "noxfile.py"])
def test_the_version_has_one_home(file):
    assert __version__ not in (ROOT / file).read_text("utf-8")
