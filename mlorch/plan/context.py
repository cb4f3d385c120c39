"""The document behind MLORCH_CONTEXT: what a step's own code may want to know of its instance."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from mlorch.model import BoundInput, Invocation, Value
from mlorch.plan.command import plain_value


def context_of(invocation: Invocation) -> Mapping[str, Value]:
    """Made when an attempt needs it: of most instances of a plan nobody asks."""
    if invocation.context is not None:
        return invocation.context
    instance, needs = invocation.instance, invocation.needs
    resources: Dict[str, Any] = {"cpus": needs.cpus, "memory": needs.memory, "gpus": needs.gpus}
    return {
        "version": 1,
        "step": instance.step.id,
        "instance": instance.name,
        "inputs": {item.name: _input_context(item) for item in invocation.inputs},
        "outputs": {item.name: item.staging for item in invocation.outputs},
        "params": dict(invocation.params),
        "matrix": plain_value(instance.axes),
        "resources": {**resources, **needs.tokens},
    }


def _input_context(bound: BoundInput) -> Value:
    items = [{"path": str(path), "matrix": plain_value(axes)} for path, axes in zip(bound.paths, bound.axes)]
    return items if bound.is_list else (items[0] if items else None)
