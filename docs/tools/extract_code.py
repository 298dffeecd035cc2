"""Write the Python code of README.md and of the site's pages to files that mypy can check.

    python docs/tools/extract_code.py build/pages
    mypy build/pages

Line n of a file is line n of its page. README.md and index.md leave the images to their readers.
"""

import argparse
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("docs/guide/*.md"))]
FENCED = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
PROMPT = re.compile(r" *(>>>|\.\.\.)( |$)")
# The first line of each file, which is the title of its page.
IMAGES = "import numpy as np; X = np.zeros((280, 4096)); y = groups = np.arange(280)"


def extract_code(page):
    """Return the Python code of a page on the lines that it has there, or "" if it has none."""
    text = page.read_text("utf-8")
    lines = [""] * len(text.splitlines())
    for i, line in enumerate(text.splitlines()):
        if prompt := PROMPT.match(line):
            lines[i] = line[prompt.end() :]
    for block in FENCED.finditer(text):
        first = text[: block.start(1)].count("\n")
        for i, line in enumerate(block[1].splitlines()):
            lines[first + i] = line
    if not any(lines):
        return ""
    code = "\n".join([IMAGES, *lines[1:]]) + "\n"
    # mypy takes {"lr": 1, "n": 2} for a dict of int, which as **keywords fits only int parameters.
    for name in set(re.findall(r"\*\*(\w+)", code)):
        code = re.sub(rf"^{name} = ", f"{name}: dict = ", code, flags=re.MULTILINE)
    return code


def main():
    parser = argparse.ArgumentParser(description="Write the Python code of all pages to files.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        code = extract_code(page)
        if code:
            (folder / f"{page.stem}_page.py").write_text(code, "utf-8")


if __name__ == "__main__":
    main()
