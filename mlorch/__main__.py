"""`python -m mlorch`."""

from __future__ import annotations

import sys

from mlorch.cli import main

if __name__ == "__main__":
    sys.exit(main())
