"""The namespaces that an instance's expressions see: lazy mappings that note which artifacts were touched."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional

from mlorch import expressions
from mlorch.errors import ExpressionError
from mlorch.expressions import SecretName
from mlorch.model import ArtifactPath, Instance, Result, Template, Tree, Value
from mlorch.plan.world import Group, NotYetKnown, World


class Names:
    """Evaluates expressions for one instance.

    Attributes:
        touched: every artifact path that an evaluation has read, in order; these are inputs wherever they were used.
        tolerant: absent outputs are null (under `always()`, `failure()`), lists leave failed instances out.
    """

    def __init__(self, world: World, instance: Instance, tolerant: bool = False) -> None:
        self.world = world
        self.instance = instance
        self.tolerant = tolerant
        self.touched: List[ArtifactPath] = []
        self.inputs: Dict[str, Value] = _Bound(instance.step.inputs)
        self.outputs: Dict[str, str] = {}
        self.env: Dict[str, Value] = {}
        self.checkpoint: Optional[str] = None
        self.metrics: Optional[Mapping[str, Value]] = None
        self.run: Mapping[str, Value] = {}
        self.functions: Dict[str, Callable[..., Any]] = {"env_or": _env_or(world)}

    def evaluate(self, source: str, scope: str = "") -> Value:
        """Raises ExpressionError, NotYetKnown."""
        return expressions.evaluate(source, self._namespaces(scope), self.functions)

    def render(self, template: Template) -> Value:
        """A whole expression keeps its type. Raises ExpressionError, NotYetKnown."""
        if template.literal is not None:
            return template.literal
        scope = template.expressions[0].scope
        return expressions.render(template, self._namespaces(scope), self.functions)

    def tree(self, tree: Tree) -> Value:
        """A tree with its templates rendered."""
        if isinstance(tree, Template):
            return self.render(tree)
        if isinstance(tree, Mapping):
            return {name: self.tree(item) for name, item in tree.items()}
        if isinstance(tree, (list, tuple)):
            return [self.tree(item) for item in tree]
        return tree

    def _namespaces(self, scope: str) -> Mapping[str, Any]:
        instance = self.instance
        names: Dict[str, Any] = {
            "params": self.world.pipeline.params,
            "matrix": _Traced(instance.axes, self.touched) if instance.known else _Unknown(),
            "steps": _Steps(self, scope),
            "step": {"id": instance.step.id, "instance": instance.suffix, "name": instance.name},
            "inputs": self.inputs,
            "outputs": self.outputs,
            "env": self.env,
            "secrets": {name: SecretName(name) for name in instance.step.secrets},
            "with": _With(self, scope),
            "run": self.run,
        }
        if self.checkpoint is not None:
            names["checkpoint"] = self.checkpoint
        if self.metrics is not None:
            names["metrics"] = self.metrics
        return names

    def output_of(self, group: Group, name: str) -> Value:
        """`steps.X.outputs.name` for the agreeing instances."""
        if group.is_list:
            found = (self._artifact(item, name) for item in group.instances)
            return [item for item in found if item is not None]
        if not group.instances:
            raise ExpressionError(f"no instance of step `{group.step}` agrees with `{self.instance.name}`")
        return self._artifact(group.instances[0], name)

    def _artifact(self, instance: Instance, name: str) -> Optional[ArtifactPath]:
        result = self.world.results.get(instance.name)
        if result is None or result.status == "unknown":
            path = self.world.declared.get(instance.name, {}).get(name)
            if path is None:
                raise NotYetKnown
            found = ArtifactPath(path, instance.name, None, instance.axes)
        elif name not in result.outputs or not usable(result):
            return None
        else:
            artifact = result.outputs[name]
            found = ArtifactPath(artifact.path, instance.name, artifact, instance.axes)
        self.touched.append(found)
        return found


def _env_or(world: World) -> Callable[..., Value]:
    """No method: names that refer to themselves would stay until somebody looks for circles, and each instance has some."""

    def env_or(name: Value, default: Value = "") -> Value:
        return world.environ.get(str(name), default)

    return env_or


def usable(result: Result) -> bool:
    """Whether the outputs of this result may be read by dependants."""
    return result.status == "succeeded"


class _Bound(Dict[str, Any]):
    """Inputs as they are bound; one that is declared but has no value yet is not yet known."""

    def __init__(self, declared: Iterable[str]) -> None:
        super().__init__()
        self._declared = frozenset(declared)

    def __missing__(self, name: str) -> Any:
        if name in self._declared:
            raise NotYetKnown
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._declared


class _Lazy(Mapping[str, Any]):
    """A mapping whose keys are known and whose values are made when asked for."""

    def keys_(self) -> List[str]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_())

    def __len__(self) -> int:
        return len(self.keys_())


class _Unknown(_Lazy):
    def keys_(self) -> List[str]:
        return []

    def __getitem__(self, name: str) -> Any:
        raise NotYetKnown


class _Traced(_Lazy):
    """Matrix values; one that is an artifact's path is an input where it is used."""

    def __init__(self, values: Mapping[str, Value], touched: List[ArtifactPath]) -> None:
        self._values = values
        self._touched = touched

    def keys_(self) -> List[str]:
        return list(self._values)

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        if isinstance(value, ArtifactPath):
            self._touched.append(value)
        return value


class _With(_Lazy):
    """The `with` of an include; its values belong to the scope outside."""

    def __init__(self, names: Names, scope: str) -> None:
        self._names = names
        self._values = names.world.pipeline.includes.get(scope, {})

    def keys_(self) -> List[str]:
        return list(self._values)

    def __getitem__(self, name: str) -> Any:
        return self._names.tree(self._values[name])


class _Steps(_Lazy):
    def __init__(self, names: Names, scope: str, prefix: str = "") -> None:
        self._names = names
        self._scope = scope
        self._prefix = prefix

    def keys_(self) -> List[str]:
        lead = self._prefix or (self._scope + "." if self._scope else "")
        return [step[len(lead) :] for step in self._names.world.pipeline.steps if step.startswith(lead)]

    def __getitem__(self, name: str) -> Any:
        steps = self._names.world.pipeline.steps
        if self._scope and f"{self._scope}.{name}" in steps:
            return _Step(self._names, f"{self._scope}.{name}")
        if self._prefix + name in steps:
            return _Step(self._names, self._prefix + name)
        if any(step.startswith(name + ".") for step in steps) and not self._prefix:
            return _Steps(self._names, "", name + ".")
        raise KeyError(name)


class _Step(_Lazy):
    def __init__(self, names: Names, step: str) -> None:
        self._names = names
        self._step = step

    def keys_(self) -> List[str]:
        return ["outputs", "metrics", "status", "matrix"]

    def __getitem__(self, name: str) -> Any:
        names = self._names
        group = names.world.agreeing(names.instance, self._step)
        if name == "outputs":
            return _Outputs(names, group)
        if name == "metrics":
            return _metrics(names, group)
        if name == "status":
            return _status(names, group)
        raise KeyError(name)


class _Outputs(_Lazy):
    def __init__(self, names: Names, group: Group) -> None:
        self._names = names
        self._group = group

    def keys_(self) -> List[str]:
        return list(self._names.world.pipeline.steps[self._group.step].outputs)

    def __getitem__(self, name: str) -> Any:
        if name not in self._names.world.pipeline.steps[self._group.step].outputs:
            raise KeyError(name)
        return self._names.output_of(self._group, name)


def _metrics(names: Names, group: Group) -> Any:
    found = []
    for item in group.instances:
        result = names.world.results.get(item.name)
        if result is None or result.status == "unknown":
            raise NotYetKnown
        if usable(result) or (result.metrics and not group.is_list):
            found.append(result.metrics or {})
    if group.is_list:
        return _Each(found)
    return found[0] if found else _Absent()


class _Each(_Lazy):
    """Metrics of several instances: `steps.train.metrics.auc` is the list of theirs."""

    def __init__(self, items: List[Mapping[str, Any]]) -> None:
        self._items = items

    def keys_(self) -> List[str]:
        return list(self._items[0]) if self._items else []

    def __getitem__(self, name: str) -> Any:
        values = [item[name] for item in self._items]
        return _Each(values) if values and isinstance(values[0], Mapping) else values


class _Absent(_Lazy):
    """The metrics of a step that has none (skipped, failed): every name is null."""

    def keys_(self) -> List[str]:
        return []

    def __getitem__(self, name: str) -> Any:
        return None

    def __contains__(self, name: object) -> bool:
        return True


def _status(names: Names, group: Group) -> str:
    """`failed` if any instance failed, else `blocked`, else `skipped` if all are, else `succeeded`."""
    found = []
    for item in group.instances:
        result = names.world.results.get(item.name)
        if result is None or result.status == "unknown":
            raise NotYetKnown
        found.append(result.status)
    for status in ("failed", "blocked", "cancelled"):
        if status in found:
            return "blocked" if status == "cancelled" else status
    return "skipped" if found and all(status == "skipped" for status in found) else "succeeded"
