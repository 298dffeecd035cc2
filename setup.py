"""The README as a package index shows it; pyproject.toml has everything else.

An index has none of the repository's files. Links to them are replaced by links to the site.
"""

import re
from pathlib import Path

from setuptools import setup

# skcxr._base.estimators.DOCUMENTATION, which cannot be imported before skcxr is installed.
SITE = "https://skcxr.readthedocs.io/en/stable"


def link_to_site(match):
    """Return a Markdown link's target, ``](path#anchor)``, as an address of the site."""
    path, anchor = match["path"], match["anchor"] or ""
    if path.startswith("docs/images/"):
        return f"]({SITE}/_images/{path.removeprefix('docs/images/')})"
    page = path.removeprefix("docs/").removesuffix(".md")
    return f"]({SITE}/{page if '/' in path else page.lower()}.html{anchor})"


readme = Path(__file__).with_name("README.md").read_text("utf-8")
relative = r"\]\((?P<path>(?!https?:|#)[^)#]+)(?P<anchor>#[^)]*)?\)"
setup(
    long_description=re.sub(relative, link_to_site, readme),
    long_description_content_type="text/markdown",
)
