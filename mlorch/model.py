"""The frozen types that travel between the rooms.

    text -spec-> Pipeline -plan-> Plan -engine-> (Decision -> Attempt -> Ended -> Outcome -> Record)* -report->

Paths are root-relative POSIX strings everywhere (surrogateescape for bytes that are not UTF-8), sizes are bytes, durations
seconds, times seconds since the epoch (UTC). Nothing here imports anything of mlorch but what makes them small.
"""

# Over 400 lines because all types that travel stand in one place, in the order in which data flows.

from __future__ import annotations

from dataclasses import field
from typing import Any, Dict, FrozenSet, Iterable, Mapping, Optional, Tuple, Union

from mlorch.small import Folded, nothing, slotted
from mlorch.values import dataclass

Value = Any
"""None, bool, int, float, str, or lists and string-keyed mappings of these; strings may be ArtifactPath."""

Digest = str
"""`blake3:` and 64 hexadecimal digits."""

# --------------------------------------------------------------------------------------------------- places, problems


@dataclass(frozen=True, order=True)
class Place:
    """A position in a file: the file as it is named to people, line and column 1-based."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One error (or warning) about a file: a code, a place, a sentence, and what to do."""

    code: str
    message: str
    place: Place
    length: int = 1
    """How many characters the caret line marks."""
    hint: str = ""
    severity: str = "error"
    notes: Tuple[Tuple[Place, int, str], ...] = ()
    """Further frames: place, length, text under the caret (one per edge of a cycle)."""

    @property
    def order(self) -> Tuple[str, int, int, str, str]:
        return (self.place.file, self.place.line, self.place.column, self.code, self.message)

    @property
    def sentence(self) -> str:
        """On one line, where no frame fits."""
        return f"{self.place.file}:{self.place.line}: {self.message}" + (
            f" ({self.hint})" if self.hint else ""
        )


# ----------------------------------------------------------------------------------------------------------- templates


@dataclass(frozen=True)
class Expression:
    """What stands between `${{` and `}}`.

    `scope` is the prefix of the include that it stands in (`eval`), empty at the top: inside, `steps.x` means
    `steps.eval.x` and `with.y` the include's own `with`.
    """

    source: str
    place: Place
    scope: str = ""

    def __str__(self) -> str:
        return "${{ " + self.source + " }}"


@dataclass(frozen=True)
class Template:
    """Text with expressions in it. `whole` expressions keep the type of their value."""

    parts: Tuple[Union[str, Expression], ...]
    place: Place

    @property
    def whole(self) -> Optional[Expression]:
        if len(self.parts) == 1 and isinstance(self.parts[0], Expression):
            return self.parts[0]
        return None

    @property
    def literal(self) -> Optional[str]:
        """The text, where there is no expression in it."""
        if not self.parts:
            return ""
        if len(self.parts) == 1 and isinstance(self.parts[0], str):
            return self.parts[0]
        return None

    @property
    def expressions(self) -> Tuple[Expression, ...]:
        return tuple(part for part in self.parts if isinstance(part, Expression))

    def __str__(self) -> str:
        return "".join(str(part) for part in self.parts)


Tree = Any
"""A Value in which any string leaf may be a Template (a leaf without expressions is a plain str)."""

# ------------------------------------------------------------------------------------------------------------ pipeline


@dataclass(frozen=True)
class InputSpec:
    """One declared input, by name in its step."""

    path: Template
    """A file, folder (ends in `/` or not) or glob; or an expression whose value is a path or a list of them."""
    store: bool = False
    """Keep a copy of a source file as an object, so that old runs can be reproduced."""
    exclude: Tuple[str, ...] = ()
    where: Mapping[str, Value] = field(default_factory=dict)
    """Axis values that the instances behind the reference must have (typed comparison)."""


@dataclass(frozen=True)
class OutputSpec:
    """One declared output of a step, as written."""

    path: Template
    """Ends in `/` for a folder."""
    store: bool = True
    """False keeps only the digest of a huge output."""
    exclude: Tuple[str, ...] = ()


@dataclass(frozen=True)
class FunctionRef:
    """`module:function` of a `call` step."""

    module: str
    function: str
    place: Place

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"


@dataclass(frozen=True)
class Matrix:
    """The axes by which a step becomes several instances."""

    axes: Mapping[str, Tree] = field(default_factory=dict)
    """Axis name -> list of values, or a Template whose whole value is one (a list, a folder, a .json file)."""
    include: Tuple[Mapping[str, Tree], ...] = ()
    exclude: Tuple[Mapping[str, Tree], ...] = ()
    borrow: Optional[str] = None
    """Id of the step whose matrix this is (`matrix: ${{ steps.train.matrix }}`)."""


@dataclass(frozen=True)
class Check:
    """A condition on what a step made; where it does not hold, the step fails (or warns)."""

    condition: Expression
    message: Optional[Template] = None
    severity: str = "error"


@dataclass(frozen=True)
class Retry:
    """How often a failed attempt is made again, and after how many seconds."""

    max_attempts: int = 1
    delay: float = 0.0
    backoff: float = 1.0
    max_delay: Optional[float] = None
    jitter: float = 0.0
    """Fraction of the delay by which it varies, up or down."""
    on: Tuple[Union[str, int], ...] = ()
    """`timeout`, `killed`, `failed` or exit codes; empty means any failure."""


@dataclass(frozen=True)
class Timeout:
    """Seconds until an attempt is asked to end, and then until it is killed."""

    after: float
    grace: float = 10.0


@dataclass(frozen=True)
class CachePolicy:
    """Whether and for how many seconds results are taken from records; another version makes another key."""

    enabled: bool = True
    ttl: Optional[float] = None
    version: Union[None, int, float, str] = None


@dataclass(frozen=True)
class Hook:
    """A command run at the end of a step or run; never part of a key, never changes the exit code."""

    run: Union[Template, Tuple[Template, ...]]
    place: Place
    shell: str = "bash"


@dataclass(frozen=True)
class Hooks:
    """Commands at the end of a step or run, by how it ended."""

    on_success: Tuple[Hook, ...] = ()
    on_failure: Tuple[Hook, ...] = ()
    finally_: Tuple[Hook, ...] = ()
    on_recovery: Tuple[Hook, ...] = ()
    """Of the pipeline only: the first success after a failure."""

    @property
    def all(self) -> Tuple[Hook, ...]:
        return (*self.on_success, *self.on_failure, *self.on_recovery, *self.finally_)

    def __bool__(self) -> bool:
        return bool(self.all)


@dataclass(frozen=True)
class Channel:
    """A way to tell people of what happened. Addresses that are secrets are known by the names of variables."""

    kind: str
    """`webhook`, `email`, `command` or `apprise`."""
    target: Tuple[str, ...]
    """The variable's name, addresses, or the words of a command."""
    place: Place
    format: str = "json"
    smtp: str = "MLORCH_SMTP"
    """The variable that holds the mail server."""
    on: Tuple[str, ...] = ("failure", "recovery")
    """`failure recovery success slow timeout`."""
    failures: int = 1
    """From so many failed runs in a row on."""
    lasting: float = 0.0
    """From so many seconds after the first of them on."""
    step: str = ""
    """Of a step's hook: the step that it tells of; empty for the run."""

    @property
    def name(self) -> str:
        """What a person calls it: `webhook SLACK_URL`."""
        return f"{self.kind} {' '.join(self.target)}"


@dataclass(frozen=True)
class Step:
    """One step as the file says, its expressions not yet evaluated."""

    id: str
    """`train`, or `eval.score` for a step of an included file."""
    place: Place
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each value stands: `run`, `needs.0`, `inputs.raw`, `outputs.model`, `matrix.depth`, `if`, `env.X` …"""
    scope: str = ""
    description: str = ""
    run: Union[None, Template, Tuple[Template, ...]] = None
    """Text is a Template; a list is a tuple of them. Exactly one of `run` and `call` is set."""
    shell: str = "bash"
    call: Optional[FunctionRef] = None
    arguments: Mapping[str, Tree] = field(default_factory=dict)
    """`with:` of a `call` step: function parameters by name."""
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    outputs: Mapping[str, OutputSpec] = field(default_factory=dict)
    needs: Tuple[str, ...] = ()
    """Ids, already resolved against the scope."""
    params: Tuple[str, ...] = ()
    code: Tuple[str, ...] = ()
    env: Mapping[str, Template] = field(default_factory=dict)
    pass_env: Tuple[str, ...] = ()
    secrets: Tuple[str, ...] = ()
    matrix: Optional[Matrix] = None
    condition: Optional[Expression] = None
    """`if`; None is `success()`."""
    checks: Tuple[Check, ...] = ()
    continue_on_error: bool = False
    retry: Retry = field(default_factory=Retry)
    timeout: Optional[Timeout] = None
    checkpoint: bool = False
    effect: Optional[Template] = None
    cache: CachePolicy = field(default_factory=CachePolicy)
    resources: Mapping[str, Tree] = field(default_factory=dict)
    """`cpus`, `memory` (bytes), `gpus` and free tokens; numbers or Templates. An absent `cpus` is 1."""
    hooks: Hooks = field(default_factory=Hooks)
    owner: str = ""
    """Whom alerts about it name; empty for the pipeline's."""
    goal: Mapping[str, str] = field(default_factory=dict)
    """Metric (dotted where nested) -> `max` or `min`, the most important first. Not part of the key."""
    report: Tuple[str, ...] = ()
    """What it adds to the HTML report: names of outputs, paths, globs."""
    tags: Tuple[str, ...] = ()
    undeclared: str = ""
    """What comes of reading a project file that is not declared: `ignore`, `warn`, `error`; empty: as in the settings."""


@dataclass(frozen=True)
class SourceFile:
    """A file that the pipeline was read from, kept for frames. `path` as named to people."""

    path: str
    text: str


@dataclass(frozen=True)
class Pipeline:
    """A validated pipeline. Steps stand in the order of the file(s); env, secrets, defaults are merged into them."""

    name: str
    file: str
    """Root-relative."""
    root: str
    """Absolute path of the project root."""
    place: Place
    steps: Mapping[str, Step]
    params: Mapping[str, Value] = field(default_factory=dict)
    param_places: Mapping[str, Place] = field(default_factory=dict)
    """Dotted name -> where its value stands (the file, the params file, or `-p`)."""
    description: str = ""
    owner: str = ""
    python: Optional[str] = None
    capacity: Mapping[str, float] = field(default_factory=dict)
    """Declared only: cpus, memory (bytes), gpus and free tokens."""
    includes: Mapping[str, Mapping[str, Tree]] = field(default_factory=dict)
    """Scope -> its `with` values (Templates belong to the scope outside it)."""
    hooks: Hooks = field(default_factory=Hooks)
    env: Mapping[str, Template] = field(default_factory=dict)
    """Merged into the steps already; the pipeline's own hooks have it from here. So with the next two."""
    pass_env: Tuple[str, ...] = ()
    secrets: Tuple[str, ...] = ()
    notify: Tuple[Channel, ...] = ()
    """The pipeline's own, and those of hooks."""
    sources: Tuple[SourceFile, ...] = ()
    warnings: Tuple[Problem, ...] = ()


# ---------------------------------------------------------------------------------------------------------- artifacts


@slotted
@dataclass(frozen=True)
class Content:
    """What stands at a path, by digest."""

    digest: Digest
    kind: str
    """`file` or `folder`."""
    bytes: int
    files: int = 1
    executable: bool = False

    @property
    def identity(self) -> str:
        """What a key sees: the digest, and whether a file is executable."""
        return self.digest + ("+x" if self.executable else "")


@dataclass(frozen=True)
class Entry:
    """One member of a folder object; `path` relative to the folder."""

    path: str
    kind: str
    """`file`, `folder` (only empty ones are listed) or `link`."""
    digest: str = ""
    """Of a file; the target of a link."""
    bytes: int = 0
    executable: bool = False


@slotted
@dataclass(frozen=True)
class Artifact:
    """One output of one instance: content with its place in the workspace."""

    path: str
    """Root-relative, without a trailing slash."""
    content: Content
    stored: bool = True
    """Whether the store keeps the object (False under `store: false`)."""
    exclude: Tuple[str, ...] = ()


class ArtifactPath(str):
    """A path in a value that is known to be somebody's output, so that it is an input wherever it is used.

    `artifact` holds the output (or, for a member of a folder, a file artifact of its own); None while not yet known
    (the producer has not run) or absent. `producer` is the instance's name, `axes` its matrix values.
    """

    artifact: Optional[Artifact]
    producer: str
    axes: Mapping[str, Value]

    def __new__(
        cls,
        path: str,
        producer: str = "",
        artifact: Optional[Artifact] = None,
        axes: Optional[Mapping[str, Value]] = None,
    ) -> ArtifactPath:
        self = super().__new__(cls, path)
        self.producer = producer
        self.artifact = artifact
        self.axes = axes or {}
        return self


# ------------------------------------------------------------------------------------------------------- instances, keys


@slotted
@dataclass(frozen=True)
class Instance:
    """One matrix combination of a step: `train@3-0`, or `extract` where there is no matrix."""

    name: str
    step: Step
    axes: Mapping[str, Value] = field(default_factory=nothing)
    suffix: str = ""
    """`3-0`: what `${{ step.instance }}` gives; empty without a matrix."""
    known: bool = True
    """False for the one stand-in of a step with an axis that is not yet known."""

    def __hash__(self) -> int:
        return hash(self.name)


@slotted
@dataclass(frozen=True)
class Row:
    """One part of a manifest. `kind` is one of command, value, param, env, input, output, code, package, interpreter,
    upstream, cache; `value` is JSON; UNKNOWN stands for what an unfinished upstream will decide."""

    kind: str
    name: str
    value: Value


UNKNOWN = "\x00unknown"
"""The value of a Row that is not yet known."""


@slotted
@dataclass(frozen=True)
class Manifest:
    """What a key is the digest of: rows sorted by (kind, name)."""

    rows: Tuple[Row, ...]

    @property
    def known(self) -> bool:
        return all(row.value != UNKNOWN for row in self.rows)

    def as_mapping(self) -> Dict[Tuple[str, str], Value]:
        return {(row.kind, row.name): row.value for row in self.rows}


@slotted
@dataclass(frozen=True)
class BoundInput:
    """An input with its values filled in. `paths` are files or folders; `contents` go with them, None where unknown."""

    name: str
    paths: Tuple[str, ...]
    contents: Tuple[Optional[Content], ...]
    is_list: bool
    axes: Tuple[Mapping[str, Value], ...] = ()
    """For each path the matrix values of the instance that made it ({} for a source)."""
    producers: Tuple[str, ...] = ()
    """For each path the instance that makes it, empty for a source."""
    store: bool = False
    exclude: Tuple[str, ...] = ()


@slotted
@dataclass(frozen=True)
class BoundOutput:
    """One output of an instance: where it belongs, and where it is written first."""

    name: str
    path: str
    """Declared path, without a trailing slash."""
    folder: bool
    staged: bool
    """Written to the private staging path (`${{ outputs.x }}` or a function's parameter), else in place."""
    staging: str = ""
    """Root-relative staging path, a function of the key; equals `path` when not staged."""
    store: bool = True
    exclude: Tuple[str, ...] = ()


@slotted
@dataclass(frozen=True)
class ShellCommand:
    """A script that a shell reads from a file."""

    script: str
    shell: str
    text: str = field(default="", compare=False)
    """The script as a person would have written it, values in place; never executed."""


@slotted
@dataclass(frozen=True)
class ArgvCommand:
    """A program and its arguments; no shell is between."""

    argv: Tuple[str, ...]


@slotted
@dataclass(frozen=True)
class FunctionCommand:
    """A function of the project's, called in a process of its own."""

    module: str
    function: str
    arguments: Mapping[str, Value]
    """Keyword arguments. Paths are wrapped as {"$path": "a/b"} and become pathlib.Path; lists of them likewise."""


Command = Union[ShellCommand, ArgvCommand, FunctionCommand]


@slotted
@dataclass(frozen=True)
class Needs:
    """Resources of one attempt."""

    cpus: int = 1
    memory: int = 0
    gpus: int = 0
    tokens: Mapping[str, int] = field(default_factory=nothing)


@slotted
@dataclass(frozen=True)
class Invocation:
    """An instance with every expression evaluated: what would be executed, and the key that names it."""

    instance: Instance
    manifest: Manifest
    key: Digest
    """Empty while a row is unknown."""
    command: Command
    inputs: Tuple[BoundInput, ...] = ()
    outputs: Tuple[BoundOutput, ...] = ()
    env: Mapping[str, str] = field(default_factory=nothing)
    """Declared values only; the engine adds what is let through and what it sets."""
    params: Mapping[str, Value] = field(default_factory=nothing)
    """The params that its step names, or its expressions, by dotted name: one mapping for all instances."""
    context: Optional[Mapping[str, Value]] = None
    """The document behind MLORCH_CONTEXT, where it was written before; else it is made of the rest (see `plan/context.py`)."""
    needs: Needs = field(default_factory=Needs)
    effect: str = ""
    checkpoint: str = ""
    """Root-relative folder, a function of the key; empty without `checkpoint: true`."""
    code_files: Tuple[str, ...] = ()
    """Project files that count as code (root-relative), to be compared before and after."""
    warnings: Tuple[str, ...] = ()


# ----------------------------------------------------------------------------------------------- decisions and outcomes


@slotted
@dataclass(frozen=True)
class Reason:
    """Why an instance runs: a kind (`new`, `param`, `input`, `code`, `env`, `package`, `command`, `output`,
    `interpreter`, `upstream`, `forced`, `uncached`, `expired`, `lost`, `effect`, `module`, `retired`), the name of the part,
    and its old and new value where there are some."""

    kind: str
    name: str = ""
    old: Value = None
    new: Value = None
    text: str = ""
    """The sentence a person reads: `param window: 7 → 14`."""


@slotted
@dataclass(frozen=True)
class Decision:
    """What a plan says of an instance: `cached`, `run`, `maybe`, `skipped` or `blocked`."""

    instance: Instance
    action: str
    reasons: Tuple[Reason, ...] = ()
    record: Optional[Record] = None
    """For `cached` the record that holds; else the nearest one that the reasons compare with."""
    invocation: Optional[Invocation] = None
    seconds: Optional[float] = None
    """Expected duration, from history."""
    causes: Tuple[str, ...] = ()
    """For `blocked` and `skipped`: the instances behind it."""


@dataclass(frozen=True)
class Cause:
    """What lies behind a decision that upstream instances brought about."""

    instance: str
    """The instance upstream where it began."""
    step: str
    reasons: Tuple[Reason, ...]
    """Its own."""
    path: Tuple[str, ...]
    """Instances from there to the one that was asked about, both included."""
    run: str = ""
    """The run in which it was executed; empty where it has yet to be."""


@dataclass(frozen=True)
class Explanation:
    """Why an instance would run or not."""

    decision: Decision
    previous: Optional[Record]
    """What the decision is compared with."""
    causes: Tuple[Cause, ...] = ()
    """What began it, further up."""
    touched: Tuple[str, ...] = ()
    """Files that were written since, with the same content."""


@slotted
@dataclass(frozen=True)
class Record:
    """A trace: this key gave these outputs. Immutable, stored as versioned JSON; the newest that holds wins."""

    id: str
    key: Digest
    manifest: Manifest
    family: Digest
    """Digest of the command as written and the declared outputs: what records of other versions of it share."""
    pipeline: str
    """Root-relative path of the pipeline file."""
    step: str
    instance: str
    run: str
    started: float
    seconds: float
    outputs: Mapping[str, Artifact] = field(default_factory=nothing)
    metrics: Mapping[str, Value] = field(default_factory=nothing)
    """NaN and infinities are tagged: {"$float": "nan"}."""
    modules: Mapping[str, Digest] = field(default_factory=nothing)
    """Project modules that the step loaded though static code did not reach them: it holds only while they are equal."""
    code_changed: bool = False
    """Code changed while it ran: such a record never holds."""
    peak_rss: int = 0
    cpu_seconds: float = 0.0
    attempts: int = 1
    adopted: bool = False
    effect: str = ""
    sources: Mapping[str, Digest] = field(default_factory=nothing)
    """Code files as objects (path -> digest), for `why` and `reproduce`."""
    env: Mapping[str, str] = field(default_factory=nothing)
    log: str = ""
    needs: Mapping[str, int] = field(default_factory=nothing)
    created: Tuple[str, ...] = ()
    """Untracked project files that an attempt created beside its outputs; words that name them are data."""
    undeclared: Tuple[str, ...] = ()
    """Project files that it read though they are neither inputs, code nor outputs; no part of its key."""
    recipe: Folded = field(default_factory=lambda: Folded({}))
    """How it was executed, for `reproduce` (see `engine/recipe.py`); empty for an adopted one."""
    reproduced: Mapping[str, Value] = field(default_factory=nothing)
    """What came of it when it was last executed again (see `reproduce/`). The one part that changes after all."""


@slotted
@dataclass(frozen=True)
class Result:
    """What downstream sees of a finished instance (or, in a dry run, of one that would be executed: `unknown`)."""

    instance: Instance
    status: str
    """`succeeded`, `failed`, `skipped`, `blocked`, `cancelled` or `unknown`."""
    outputs: Mapping[str, Artifact] = field(default_factory=nothing)
    metrics: Optional[Mapping[str, Value]] = None
    attempt_ids: Tuple[str, ...] = ()
    """Of a failed instance: keyed under `failure()`."""
    tolerated: bool = False
    """Failed under `continue_on_error`: order-only dependants go on."""
    causes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    """How one check of an instance came out."""

    source: str
    """The condition as written, without `${{ }}`."""
    holds: bool
    severity: str = "error"
    text: str = ""
    """Why it did not hold, as a sentence; empty where it did."""


@slotted
@dataclass(frozen=True)
class Outcome:
    """How an instance ended in a run."""

    instance: str
    step: str
    outcome: str
    """`succeeded failed cached skipped blocked cancelled`."""
    reasons: Tuple[Reason, ...] = ()
    seconds: float = 0.0
    saved: float = 0.0
    """For `cached`: the seconds that the record once took."""
    attempts: int = 0
    exit_code: Optional[int] = None
    error: str = ""
    """One sentence of a failed one: `exit 1`, `timed out after 30m`, `check did not hold: …`."""
    hint: str = ""
    log: str = ""
    """Root-relative path of the last attempt's log; of a cached one, where the run that executed it wrote it."""
    command: str = ""
    """As executed, secrets masked."""
    tolerated: bool = False
    outputs: Mapping[str, Artifact] = field(default_factory=nothing)
    metrics: Mapping[str, Value] = field(default_factory=nothing)
    causes: Tuple[str, ...] = ()
    warnings: Tuple[str, ...] = ()
    record: str = ""
    peak_rss: int = 0
    cpu_seconds: float = 0.0
    undeclared: Tuple[str, ...] = ()
    """Files that it read (a cached one: once read) though it does not declare them."""
    restored: Tuple[str, ...] = ()
    """Of a cached one: paths where its outputs did not stand, and were put back from the store."""
    checks: Tuple[Checked, ...] = ()
    environment: bool = False
    """Of a failed one: no fault of the step's, but of the machine (a full disk): the run exits 8."""


@dataclass(frozen=True)
class Event:
    """One line of a run file and of `--progress jsonl`.

    `kind` is one of run.started step.started step.cached step.retried step.finished step.skipped step.blocked
    step.cancelled run.finished, and `warning`; `data` is JSON.
    """

    kind: str
    time: float
    run: str
    instance: str = ""
    step: str = ""
    data: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A dry run: decisions in execution order."""

    pipeline: Pipeline
    decisions: Tuple[Decision, ...]
    edges: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    """Instance -> upstream instances."""
    seconds: Optional[float] = None
    """Expected wall time (critical path over the slots), None without history."""
    complete: bool = True
    """False where a step without history makes `seconds` a lower bound."""
    warnings: Tuple[str, ...] = ()
    moved: Tuple[str, ...] = ()
    """Files that a run would move aside because nothing declares them any more."""
    kept: Tuple[str, ...] = ()
    """Outputs where something else stands, by hand or from elsewhere, which a run would keep in `.mlorch/kept/`."""


@dataclass(frozen=True)
class Beside:
    """Instances that a run did not look at, since nothing changed for them."""

    cached: int
    skipped: int
    saved: float
    """Seconds, as `Outcome.saved`."""
    measured: Tuple[Outcome, ...] = ()
    """Those that have metrics, for comparison."""


@dataclass(frozen=True)
class RunSummary:
    """What came of a run."""

    run: str
    pipeline: Pipeline
    outcomes: Tuple[Outcome, ...]
    seconds: float
    exit_code: int
    warnings: Tuple[str, ...] = ()
    previous: Optional[Mapping[str, Value]] = None
    """Metrics of the run before, `step.name` -> value, for the comparison in the closing lines."""
    store_bytes: int = 0
    reclaimable_bytes: int = 0
    upstream: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)
    """Step -> the steps right above it."""
    beside: Optional[Beside] = None
    """Of a run that looked at a part alone: what is not among the outcomes."""

    def totals(self) -> Dict[str, int]:
        return totals_of(self.outcomes, self.beside)


def totals_of(outcomes: Iterable[Outcome], beside: Optional[Beside] = None) -> Dict[str, int]:
    """How many there are of each outcome."""
    names = ("succeeded", "cached", "failed", "skipped", "blocked", "cancelled")
    counts = dict.fromkeys(names, 0)
    if beside is not None:
        counts.update(cached=beside.cached, skipped=beside.skipped)
    for outcome in outcomes:
        counts[outcome.outcome] += 1
    return counts


# ------------------------------------------------------------------------------------------------------------ attempts


@dataclass(frozen=True)
class Attempt:
    """One execution, everything that an agent needs to know of it; JSON-able, so that an agent may live elsewhere."""

    id: str
    """`RUN/INSTANCE/NUMBER`."""
    run: str
    instance: str
    number: int
    argv: Tuple[str, ...] = ()
    """Of a `run` step: the shell with its script, or the list itself."""
    function: Optional[FunctionCommand] = None
    cwd: str = ""
    """Absolute: the project root."""
    env: Mapping[str, str] = field(default_factory=dict)
    """The whole environment of the process."""
    log: str = ""
    """Absolute path; stdout and stderr are appended to it, in the order of writing."""
    secrets: Tuple[str, ...] = ()
    """Values to mask; with any of them the log is written through a masker."""
    timeout: Optional[float] = None
    grace: float = 10.0
    python: str = ""
    """Absolute path of the interpreter, for `function`."""
    metrics_file: str = ""
    """Absolute staging path of the declared `metrics` output, where a function's returned mapping is to be written."""
    loaded_file: str = ""
    """Absolute path of the report of project modules that the process loads (see `inside/modules/mlorch_imports.py`)."""
    declared: Optional[Tuple[str, ...]] = None
    """Root-relative paths that the process may read, folders with a slash at their end; None: nobody asks."""
    lock_fds: Tuple[int, ...] = ()
    """Descriptors of held locks that the process inherits, so that an orphan still holds them."""


@dataclass(frozen=True)
class Ended:
    """How an attempt's process ended."""

    cause: str
    """`exit`, `signal`, `timeout`, `cancelled`, `spawn` (it could not be started), `zygote` (its host died)."""
    exit_code: Optional[int] = None
    """Of `exit`; 128 + n for signal n."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_rss: int = 0
    error: str = ""
    """What a person should read: the exception's last line of a function, or why it could not be started."""
    metrics: Optional[Mapping[str, Value]] = None
    """What a function returned, NaN and infinities tagged {"$float": "nan"}."""
    modules: Optional[Tuple[str, ...]] = None
    """Absolute paths of the files behind sys.modules under the project root; None where unknown."""
    reads: Tuple[str, ...] = ()
    """Undeclared project files that it opened for reading: absolute paths, each behind a mark (see
    `inside/modules/mlorch_reads.py`)."""
    lingering: Tuple[int, ...] = ()
    """Processes that it left outside its group and that were ended."""
    environment: bool = False
    """Of `spawn`: the machine refused (no more processes, descriptors or memory)."""
    started: float = 0.0
    spawn: float = 0.0
    """Seconds until there was a process."""
    slot: int = 0
    """Which agent it had, from 0."""


# ------------------------------------------------------------------------------------------------------------- settings


@dataclass(frozen=True)
class Settings:
    """`mlorch.toml`, `MLORCH_*` and flags, merged. Settings never enter a key."""

    root: str
    store: str
    """Absolute path of `.mlorch`."""
    allow: Tuple[str, ...] = ()
    """`[paths] allow`: absolute paths outside the root that a pipeline may name or reach through a symlink."""
    jobs: Optional[int] = None
    color: str = "auto"
    """`auto`, `always` or `never`."""
    progress: str = "auto"
    """`auto`, `tty`, `plain`, `quiet` or `jsonl`."""
    undeclared: str = "warn"
    """What comes of a step that reads a project file which it does not declare: `ignore`, `warn` or `error`."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Setting -> where its value came from, for `doctor`."""
    names: FrozenSet[str] = frozenset()
