"""From words and options to an `app.Request`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Sequence, Tuple

from mlorch.cli.common import Options
from mlorch.errors import UsageError

if TYPE_CHECKING:
    from mlorch.app import Request

SUFFIXES = (".yaml", ".yml")


def split_words(words: Optional[Sequence[str]]) -> Tuple[Optional[str], Tuple[str, ...]]:
    """The pipeline, if the first word names one, and the selectors. Raises UsageError for a second one."""
    rest = list(words or ())
    pipeline = rest.pop(0) if rest and rest[0].endswith(SUFFIXES) else None
    for word in rest:
        if word.endswith(SUFFIXES):
            what = "only one pipeline" if pipeline else "the pipeline first"
            raise UsageError(
                f"expected {what}, got `{word}` among the selectors", "put the pipeline before them"
            )
    return pipeline, tuple(rest)


def make_request(
    options: Options,
    words: Optional[Sequence[str]] = None,
    params: Optional[Sequence[str]] = None,
    params_file: Optional[str] = None,
    only: bool = False,
    force: bool = False,
    force_steps: Optional[Sequence[str]] = None,
    jobs: Optional[int] = None,
    keep_going: bool = False,
    adopt: bool = False,
    wait: bool = True,
) -> Request:
    """What `app` is asked. Raises UsageError for a param without `=`."""
    from mlorch.app import Request

    pipeline, selectors = split_words(words)
    return Request(
        pipeline=pipeline,
        root=options.root,
        selectors=selectors,
        params=check_params(params or ()),
        params_file=params_file,
        only=only,
        force=force,
        force_steps=tuple(force_steps or ()),
        jobs=jobs,
        keep_going=keep_going,
        adopt=adopt,
        wait=wait,
    )


def check_params(params: Sequence[str]) -> Tuple[str, ...]:
    for param in params:
        name, equals, _ = param.partition("=")
        if not equals or not name.strip():
            raise UsageError(
                f"-p expects NAME=VALUE, got `{param}`", "for instance -p window=14 or -p model.depth=6"
            )
    return tuple(params)
