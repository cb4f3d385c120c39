"""Python runs this at start-up where mlorch put this folder first on PYTHONPATH: for `run` steps that
start Python.

It notes the project modules that the step loads (see `mlorch_imports`), takes its own folder from
`sys.path`, so that the step finds the path it expects, and hands over to the `sitecustomize` that would
have run without it. PYTHONPATH stays as it is, so that Pythons which the step starts report as well.
"""

import os
import sys


def _note_modules() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        import mlorch_imports  # type: ignore[import-not-found]

        mlorch_imports.watch(os.environ)
    except Exception:  # whatever it is, the step must run as it would without us
        pass
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    sys.path_importer_cache.pop(here, None)


def _hand_over() -> None:
    finder = sys.modules["_frozen_importlib_external"].PathFinder  # `importlib.machinery` costs 1 ms more
    spec = finder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


_note_modules()
_hand_over()
