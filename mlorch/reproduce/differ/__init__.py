"""Where two files or folders differ, in the terms of what they hold.

Nothing is unpickled or evaluated. What needs a package that is not installed is compared by its bytes, and says so.
"""

from __future__ import annotations

from mlorch.reproduce.differ.kinds import locate, locate_folders
from mlorch.reproduce.differ.located import Located

__all__ = ["Located", "locate", "locate_folders"]
