"""Properties try the same cases each time, so that a change is judged by what it changed; `make test-all` tries others."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True)
settings.register_profile("searching", derandomize=False)
settings.load_profile("searching" if os.environ.get("MLORCH_TEST_ALL") == "1" else "steady")
