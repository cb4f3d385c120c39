"""Properties try the same cases each time, so that a change is judged by what it changed; `make test-all` tries others."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# What a shell starts in the background, and what nohup starts, ignores these, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)

settings.register_profile("steady", derandomize=True)
settings.register_profile("searching", derandomize=False)
settings.load_profile("searching" if os.environ.get("MLORCH_TEST_ALL") == "1" else "steady")
