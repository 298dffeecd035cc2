"""The language of texts: plain English, in the terms of CONTRIBUTING.md.

Documentation, examples, the command line's help, the report, and all docstrings and messages of the
package are read. Each failure names the file and the line.
"""

import ast
import re
from pathlib import Path

import click
import pytest

from skcxr.cli import cli

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "skcxr"
UNITS = "images|samples|radiographs|phantoms|patients|copies|epochs|steps|seconds|minutes|hours"
NUMBERS = r"(?:\d[\d,.]*|few|fewer|many|some|sixty|hundred)"
WHOLES = "class|fold|fit|run|epoch|step|patient|arm|seed|batch"
PLURALS = "images|samples|classes|folds|fits|files|epochs|steps|rows|patients|arms|copies"
# "There is no class", "is no longer", "is no finer than" and "is no significant" are good English.
AFTER_IS_NO = r"longer\b|more\b|less\b|one\b|significant\b|detectable\b|\w+er than\b"

# Each pattern with what to write instead. Text is searched with single spaces between words.
FAULTS = {
    r"can not\b": "cannot",
    r"hang(?:s|ing)? on\b": "depends on",
    r"for ever\b": "forever",
    r"told from\b": "no significant (or detectable) difference",
    r"(?:go|goes|going|went) on\b": "continue, resume, happen",
    rf"(?<!there )(?:is|are|was|were) no (?!{AFTER_IS_NO})": "is not a",
    rf"{NUMBERS} (?:\w+ )?(?:{UNITS}) an? (?:{WHOLES})\b": "per",
    rf"(?:once|twice|times) an? (?:{WHOLES})\b(?! (?:has|is|with)\b)": "per",
    r"beside\b": "compared with, next to",
    r"at rest\b": "stored, unused, in evaluation mode",
    r"by heart\b": "memorize",
    rf"1 (?:{PLURALS})\b": "the singular",
}
# Folders that no wheel holds.
UNPACKAGED = r"(?<![\w./])(?:docs|benchmarks|experiments)/"
# First words of the summaries of functions and methods. A new verb may be added.
VERBS = re.findall(
    r"\w+",
    """
    Add Allow Append Apply Assign Audit Become Build Call Centre Check Choose Close Compare Compute
    Convert Copy Count Create Crop Decide Decode Delete Describe Discard Divide Download Draw
    Estimate Evaluate Export Fetch Fill Find Fit Format Generate Get Give Hold Ignore Infer Inspect
    Keep Lay Let Limit List Load Look Make Map Match Measure Merge Move Normalise Normalize Number
    Open Parse Pass Plot Predict Print Put Raise Read Recolor Record Refuse Remove Rename Replace
    Reset Restore Resume Return Round Run Sample Save Scale Score Search Seed Select Send Set Show
    Shuffle Sort Split Stack Start Stop Store Suppress Test Train Transform Turn Undo Update Upload
    Use Validate Warn Write Yield Zero
    """,
)


def find_faults(text, patterns):
    """Return (line, phrase, remedy) of each phrase in `text` that matches a pattern."""
    # Lines of comments in examples start with a number sign.
    words = [word for word in re.finditer(r"\S+", text) if word.group() != "#"]
    flat = " ".join(word.group() for word in words)
    found = []
    for pattern, remedy in patterns.items():
        for match in re.finditer(rf"(?<![\w-]){pattern}", flat, flags=re.IGNORECASE):
            word = words[flat.count(" ", 0, match.start())]
            found.append((1 + text.count("\n", 0, word.start()), match.group(), remedy))
    return found


def list_faults(path, patterns, text=None, first_line=1):
    """Return the faults of a file, or of a part of it that begins in `first_line`, as text."""
    name = path.relative_to(ROOT)
    text = path.read_text("utf-8") if text is None else text
    return [
        f"{name}:{first_line + line - 1}: {phrase!r}: {remedy}"
        for line, phrase, remedy in find_faults(text, patterns)
    ]


def read_strings(path):
    """Yield the first line and text of each string in a Python file, f-strings in one piece."""
    tree = ast.parse(path.read_text("utf-8"))
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in formatted for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            values = [getattr(part, "value", None) for part in node.values]
            yield node.lineno, "".join(v if isinstance(v, str) else "{}" for v in values)
        elif isinstance(node, ast.Constant) and id(node) not in parts:
            yield node.lineno, str(node.value)


def list_help(command, name="skcxr"):
    """Yield the name and help of a command and of those below it."""
    context = click.Context(command, info_name=name)
    yield name, command.get_help(context)
    for key, child in getattr(command, "commands", {}).items():
        yield from list_help(child, f"{name} {key}")


PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(
        page
        for page in sorted((ROOT / "docs").rglob("*"))
        if page.suffix in (".md", ".rst")
        and not {"_build", "auto_examples", "generated"} & set(page.relative_to(ROOT).parts)
    ),
    *sorted((ROOT / "examples").glob("*.py")),
    *sorted((ROOT / "examples").glob("*.rst")),
]
MODULES = sorted(PACKAGE.rglob("*.py"))
TEMPLATES = sorted((PACKAGE / "report" / "templates").glob("*.html"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_are_in_plain_english(page):
    assert list_faults(page, FAULTS) == []


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_docstrings_and_messages_are_in_plain_english(module):
    faults = []
    for line, text in read_strings(module):
        faults += list_faults(module, FAULTS, text, line)
    assert faults == []


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_no_docstring_or_message_points_to_a_file_that_is_not_installed(module):
    faults = []
    for line, text in read_strings(module):
        faults += list_faults(module, {UNPACKAGED: "give the result, or a link"}, text, line)
    assert faults == []


@pytest.mark.parametrize("template", TEMPLATES, ids=name_of)
def test_the_report_is_in_plain_english(template):
    patterns = {**FAULTS, UNPACKAGED: "give the result, or a link"}
    # Tags become blanks, so that lines stay as they are.
    text = re.sub(r"<[^>]*>|{%.*?%}", " ", template.read_text("utf-8"))
    assert list_faults(template, patterns, text) == []


@pytest.mark.parametrize(("command", "text"), list_help(cli))
def test_help_is_in_plain_english(command, text):
    patterns = {**FAULTS, UNPACKAGED: "give the result, or a link"}
    assert [(command, *fault) for fault in find_faults(text, patterns)] == []


def is_noun(function):
    """Return whether a function is read as an attribute, whose summary is a noun phrase."""
    names = [ast.unparse(decorator) for decorator in function.decorator_list]
    return any(name.endswith("property") for name in names)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_summaries_of_functions_start_with_a_verb(module):
    faults = []
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        words = (ast.get_docstring(node) or "").split()
        if words and not is_noun(node) and words[0].rstrip(",") not in VERBS:
            faults.append(f"{name_of(module)}:{node.lineno}: {node.name}: {' '.join(words[:6])}")
        if words and is_noun(node) and words[0] in ("What", "Which", "Whether", "How"):
            faults.append(f"{name_of(module)}:{node.lineno}: {node.name}: {' '.join(words[:6])}")
    assert faults == []


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("It can\nnot be.", "can not"),
        ("It hangs on the features.", "hangs on"),
        ("kept for ever", "for ever"),
        ("a can not be told from b", "told from"),
        ("training goes\n    on", "goes on"),
        ("# the audit is\n# no guarantee", "is no "),
        ("It is no part of it.", "is no "),
        ("about 60 images a class", "60 images a class"),
        ("sixty chest radiographs a class", "sixty chest radiographs a class"),
        ("trained once a fold", "once a fold"),
        ("the GAN beside duplicates", "beside"),
        ("networks at rest", "at rest"),
        ("learns images by heart", "by heart"),
        ("1 images are left out", "1 images"),
    ],
)
def test_a_fault_is_found(text, phrase):
    assert phrase in [found for _, found, _ in find_faults(text, FAULTS)]


@pytest.mark.parametrize(
    "text",
    [
        "There is no test set. It is no longer kept, and is no finer than 1 / n.",
        "It is no one else's. There\n    are no classes. It is no significant difference.",
        "11 images of the images a class has",
        "cannot, depends on, forever, told apart",
        "Once a fit has finished, its results are kept.",
    ],
)
def test_idioms_are_no_faults(text):
    assert find_faults(text, FAULTS) == []


def test_a_fault_is_found_in_its_line():
    assert find_faults("one\ntwo can\nnot three", {r"can not\b": ""}) == [(2, "can not", "")]


@pytest.mark.parametrize("text", ["see docs/results.md", "(benchmarks/hot_paths.py)"])
def test_a_path_that_is_not_installed_is_found(text):
    assert find_faults(text, {UNPACKAGED: ""})


def test_a_link_is_not_a_path():
    assert not find_faults("https://docs.pytorch.org/docs/stable", {UNPACKAGED: ""})
