"""The live screen of a run: finished lines scroll away, what runs and one status line are painted again and again.

    events -listener-> board (what is known) -draw-> lines -terminal-> the screen

One thread owns all of it; events only wait in a queue for it, so that nothing on the screen can hold up a run.
"""
