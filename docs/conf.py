"""The site: ``sphinx-build -W -n docs docs/_build/html``. It needs no network.

Examples are executed when `examples/` has any, and not again until they change.
SKCXR_GALLERY_SHORT=1 makes them short; SKCXR_INTERSPHINX=1 fetches other projects' inventories, so
that their names become links.
"""

import os
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import skcxr

project = "skcxr"
author = "The skcxr developers"
copyright = author
version = release = skcxr.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
root_doc = "index"
nitpicky = True
smartquotes = False  # types of parameters hold quotes: {"auto", "float32"}
default_role = "literal"  # `fit` in a docstring is code

# -- Pages ---------------------------------------------------------------------------------------
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# -- Gallery -------------------------------------------------------------------------------------
has_gallery = any(Path(__file__).parents[1].glob("examples/plot_*.py"))
if has_gallery:
    extensions.append("sphinx_gallery.gen_gallery")
READING_ORDER = [
    "plot_cross_validation.py",
    "plot_generator_anatomy.py",
    "plot_watch_training.py",
    "plot_compare.py",
    "plot_leak.py",
    "plot_how_much.py",
    "plot_audit.py",
    "plot_few_of_one_class.py",
    "plot_own_images.py",
    "plot_own_generator.py",
    "plot_persistence.py",
    "plot_dask.py",
    "*",
]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "within_subsection_order": ExplicitOrder(READING_ORDER),
    "image_scrapers": ("matplotlib",),
    "abort_on_example_error": True,
    "show_memory": False,
    "download_all_examples": False,
    "doc_module": ("skcxr",),
    "reference_url": {"skcxr": None},
    "backreferences_dir": "generated/backreferences",
}

# -- Reference -----------------------------------------------------------------------------------
autosummary_generate = True
autosummary_context = {"has_gallery": has_gallery}
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"  # "fit()" fits into the list of contents, and is enough
numpydoc_show_class_members = False
autodoc_default_options = {"members": True, "inherited-members": "tuple"}
autodoc_typehints = "none"

# -- Other projects ------------------------------------------------------------------------------
if os.environ.get("SKCXR_INTERSPHINX"):
    intersphinx_mapping = {
        "imblearn": ("https://imbalanced-learn.org/stable/", None),
        "joblib": ("https://joblib.readthedocs.io/en/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "pandas": ("https://pandas.pydata.org/docs/", None),
        "python": ("https://docs.python.org/3/", None),
        "skorch": ("https://skorch.readthedocs.io/en/stable/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }
else:
    foreign = "imblearn|joblib|matplotlib|numpy|pandas|sklearn|skorch|torch|torchvision"
    nitpick_ignore_regex = [(r"py:.*", rf"({foreign})\..*")]

# -- Look ----------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = "skcxr"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_sidebars = {"install": []}  # it has no pages below it
html_show_sourcelink = False
html_theme_options = {
    "logo": {"image_light": "_static/logo.svg", "image_dark": "_static/logo.svg", "text": "skcxr"},
    "navbar_end": ["theme-switcher"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}


def skip_others_members(app, what, name, member, skip, options):
    """scikit-learn documents get_params and the like, and parameters a tuple's fields."""
    module = getattr(member, "__module__", None) or type(member).__module__
    return skip or not module.startswith(("skcxr", "builtins"))


def leave_gallery_out(app, docname, source):
    """A copy of the sources without examples has a site too."""
    source[0] = source[0].replace("auto_examples/index\n", "")


def setup(app):
    app.connect("autodoc-skip-member", skip_others_members)
    if not has_gallery:
        app.connect("source-read", leave_gallery_out)
