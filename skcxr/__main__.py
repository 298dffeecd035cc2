"""``python -m skcxr`` is the command ``skcxr``."""

import sys

from skcxr.cli import main

sys.exit(main())
