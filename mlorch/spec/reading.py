"""Reading, building and checking a pipeline, one after another."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Optional, Sequence, Tuple

from mlorch.errors import SpecError, UsageError
from mlorch.model import Pipeline, SourceFile
from mlorch.spec.build import Builder
from mlorch.spec.document import Assembler
from mlorch.spec.names import Names
from mlorch.spec.params import Params, declared, from_file, override
from mlorch.spec.paths import Declared
from mlorch.spec.problems import Problems, UnreadableError
from mlorch.spec.root import relative
from mlorch.spec.rules import Rules


def load(
    path: str,
    root: str,
    *,
    overrides: Sequence[str] = (),
    params_file: Optional[str] = None,
    allow: Sequence[str] = (),
) -> Pipeline:
    """See `mlorch.spec.load`."""
    problems = Problems()
    usage: Optional[UsageError] = None
    pipeline: Optional[Pipeline] = None
    try:
        document = Assembler(root, allow, problems).read(path)
        params = declared(document, root, allow, problems)
        if params_file is not None:
            from_file(params, params_file, root, problems)
        usage = _override(params, overrides)
        builder = Builder(document, problems)
        pipeline = builder.pipeline(relative(path, root), root, params)
        _check(builder, pipeline, params, allow)
    except UnreadableError:
        pass
    if problems.errors or pipeline is None:
        raise SpecError(problems.errors, _sources(problems))
    if usage is not None:
        raise usage
    return replace(pipeline, sources=_sources(problems), warnings=problems.warnings)


def _override(params: Params, overrides: Sequence[str]) -> Optional[UsageError]:
    """Apply `-p` in order; the first that fits nothing is told, but after the problems of the files."""
    for text in overrides:
        try:
            override(params, text)
        except UsageError as error:
            if params.known:
                return error
    return None


def _check(builder: Builder, pipeline: Pipeline, params: Params, allow: Sequence[str]) -> None:
    document, problems = builder.document, builder.problems
    names = Names(pipeline, document, problems, params.known)
    uses = builder.templates.uses
    for use in uses:
        if not problems.full:
            names.check(use)
    Rules(pipeline, document, problems, names).check(uses)
    Declared(pipeline, document.steps, problems, allow).check()


def _sources(problems: Problems) -> Tuple[SourceFile, ...]:
    found: Dict[str, SourceFile] = {}
    for source in problems.sources:
        found.setdefault(source.name, SourceFile(source.name, source.text))
    return tuple(found.values())
