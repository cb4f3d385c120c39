"""The registry of codes: what each means, for `docs/errors.md`.

E1 form, E2 names and the graph, E3 code, E4 paths, E5 expressions, E6 settings, E7 effects; W warnings.
A code is never given a second meaning; a message may get better words.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple


class Code(NamedTuple):
    title: str
    explanation: str
    by: str = "validate"
    """What finds it first: `validate`; `plan`, which knows values, files and code; `run`, which knows what is
    free; or the reading of `settings`."""


CODES: Mapping[str, Code] = {
    "E101": Code(
        "not YAML",
        "The text can't be read as YAML, or a file named `.json` as JSON. Nothing after that point was looked at.",
    ),
    "E102": Code("unknown key", "The key is not one of the language. Keys that begin with `x-` are yours."),
    "E103": Code(
        "key of a later version",
        "The name is kept for a later version, so that it can get a meaning without breaking anybody's file.",
    ),
    "E104": Code("missing key", "A key that must be there is not."),
    "E105": Code(
        "wrong kind of value",
        "A text stands where a mapping must be, a list where a number must be, and so on.",
    ),
    "E106": Code(
        "value not allowed",
        "The kind is right, the value is not: out of range, none of the choices, or a name of odd letters.",
    ),
    "E107": Code(
        "the same name twice",
        "A mapping holds a key twice (YAML would silently keep the last), or a list names two alike.",
    ),
    "E108": Code(
        "too large",
        "A file may have 4 MB, 200,000 values (an alias counts as many as it repeats) and 100 levels.",
    ),
    "E109": Code("not text", "The file is not UTF-8, or holds a control character."),
    "E110": Code("tab", "YAML is indented with spaces."),
    "E111": Code("second document", "A file holds one document; `---` begins another."),
    "E112": Code(
        "unknown tag", "Only plain values are read: no `!!python/…`, no `!!set`, no tags of your own."
    ),
    "E113": Code(
        "no such number", "NaN and infinities can't be compared or kept, and numbers end somewhere."
    ),
    "E114": Code("bad alias", "An alias repeats an anchor that stands above it; `<<` takes mappings."),
    "E115": Code(
        "key is not text", "Keys are text. A value that begins with `{` is read as a mapping by YAML."
    ),
    "E116": Code(
        "expression to be quoted", "Inside `{}` and `[]` YAML reads the braces of an expression as its own."
    ),
    "E117": Code("no such file", "A file that the pipeline names is not there, or is a folder."),
    "E118": Code("unknown version", "The file is written for another version of the language."),
    "E119": Code(
        "not a duration or size",
        "Durations are `90s`, `15m`, `1h30m`, `2d`; sizes `512MiB`, `4GiB`, `10GB`; both may be numbers.",
    ),
    "E121": Code(
        "include does not fit", "A name is taken, a file includes itself, or `with` and `expects` differ."
    ),
    "E201": Code(
        "cycle",
        "Steps need each other in a circle, so none could be the first. Each edge has a frame of its own.",
        "plan",
    ),
    "E202": Code("unknown step", "No step has this id."),
    "E203": Code("unknown part of a step", "The step is there, but not that output, or it has no metrics."),
    "E204": Code("unknown param", "The name does not stand under `params`."),
    "E205": Code("unknown axis", "The matrix has no axis of this name."),
    "E206": Code("unknown name", "Nothing of this name can be had in an expression here."),
    "E207": Code("name not allowed here", "The name exists, but has no value at this place or at this time."),
    "E208": Code(
        "matrix does not fit", "A matrix is a mapping of axes, or borrowed whole from a step that has one."
    ),
    "E209": Code(
        "more than there is", "A step needs a resource that `capacity` does not have, or not as much of it."
    ),
    "E210": Code("one or the other", "Of two keys exactly one must be there, or one needs the other."),
    "E211": Code("key does not fit the step", "The key has no meaning for a step of this kind."),
    "E212": Code(
        "not `module:function`", "`call` names a module as Python imports it, a colon, and a function in it."
    ),
    "E213": Code(
        "path without a name",
        "In a list, an input or output is named by its path; where that gives no name, a mapping does.",
    ),
    "E301": Code(
        "module not found",
        "No file of the project or installed package is the module that `call` names.",
        "plan",
    ),
    "E302": Code("function not found", "The module has no such function.", "plan"),
    "E303": Code(
        "function can't be called",
        "The function is no plain function, its file can't be read, or a parameter gets no value.",
        "plan",
    ),
    "E304": Code(
        "ambiguous parameter", "A parameter's name is found in two places, such as inputs and params.", "plan"
    ),
    "E305": Code(
        "undeclared output",
        "A step's code is what another step makes, and no input declares it: the order would be left to chance.",
        "plan",
    ),
    "E306": Code("unknown argument", "`with` names no parameter of the function.", "plan"),
    "E401": Code(
        "path out of bounds",
        "Paths begin at the project root and stay in it, except in folders that mlorch.toml allows.",
    ),
    "E402": Code(
        "two outputs in one place", "Two steps or instances write the same path, or one inside the other's."
    ),
    "E403": Code(
        "input without a value", "An input is null, mostly as the step behind it was skipped.", "plan"
    ),
    "E404": Code(
        "missing input", "No file is there, or none matches the glob, and no step makes it.", "plan"
    ),
    "E405": Code(
        "missing output of a step left out",
        "Under `--only`, what other steps make must be there already.",
        "plan",
    ),
    "E406": Code("step reads what it writes", "A step's inputs may not overlap its own outputs."),
    "E407": Code("not an output", "An output is one file, or one folder below the root."),
    "E408": Code(
        "input that is no path", "The expression of an input gives something else than text.", "plan"
    ),
    "E501": Code(
        "expression failed",
        "The expression is well formed, but has no value: a division by zero, a missing key.",
        "plan",
    ),
    "E502": Code("axis failed", "The values of an axis could not be found.", "plan"),
    "E511": Code(
        "expression not closed",
        "A `${{` has no `}}`; often because YAML took what follows ` #` for a comment.",
    ),
    "E512": Code("not an expression", "What stands between `${{` and `}}` can't be read."),
    "E513": Code("unknown function", "Expressions have a fixed list of functions."),
    "E514": Code("no expression here", "This key is read before anything is evaluated."),
    "E515": Code(
        "value as shell text",
        "Values never become shell text: in this place the shell would read it as commands or as a pattern.",
    ),
    "E516": Code("one whole expression", "The value must be one expression, without text around it."),
    "E517": Code(
        "condition out of place",
        "`success()`, `failure()` and `always()` ask about upstream steps, in `if` only.",
    ),
    "E601": Code("mlorch.toml is not TOML", "The settings file can't be read.", "settings"),
    "E602": Code("unknown setting", "mlorch.toml holds a name that is no setting.", "settings"),
    "E603": Code("setting does not fit", "The value is not of the kind that the setting needs.", "settings"),
    "E701": Code(
        "effect with lost outputs",
        "The effect has a finished receipt, so it is not done again silently; but its outputs are gone.",
        "plan",
    ),
    "E702": Code(
        "one effect, two instances",
        "Two instances have one effect's name; each would undo the other's receipt.",
        "plan",
    ),
    "E703": Code(
        "need above capacity",
        "A step needs more than there is, as its values show: it could never start.",
        "run",
    ),
    "W101": Code("looks like true or false", "`yes`, `no`, `on` and `off` are text in YAML 1.2."),
    "W102": Code(
        "looks like an expression",
        "An expression is written `${{ … }}`. Other braces around a name are text, which the command gets as it stands.",
    ),
}
