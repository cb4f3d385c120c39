"""From the bytes of a pipeline's files to a validated `Pipeline`, or to all their problems at once."""

from __future__ import annotations

from typing import Optional, Sequence

from mlorch.model import Pipeline
from mlorch.spec.root import find_root
from mlorch.spec.schema import schema, schema_path
from mlorch.spec.units import parse_duration, parse_size

__all__ = ["find_root", "load", "parse_duration", "parse_size", "schema", "schema_path"]


def load(
    path: str,
    root: str,
    *,
    overrides: Sequence[str] = (),
    params_file: Optional[str] = None,
    allow: Sequence[str] = (),
) -> Pipeline:
    """Read and validate the pipeline at `path` (absolute) within `root` (absolute).

    Args:
        overrides: `-p` arguments such as `gate.min_auc=0.7`; the value is YAML.
        params_file: a file merged deeply over the params, named from the current folder.
        allow: absolute folders outside the root that paths may name.

    Raises SpecError with all problems, UsageError for overrides that fit nothing, EnvironmentFault where
    a file can't be read. Executes and imports nothing of the project's.
    """
    from mlorch.spec.reading import load as load_now  # imports yaml, which a remembered pipeline does without

    return load_now(path, root, overrides=overrides, params_file=params_file, allow=allow)
