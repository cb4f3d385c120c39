"""Write the parts of the documentation that are made of something else.

    python docs/generate.py           rewrite them
    python docs/generate.py --check   say what differs, and exit 1

`errors.md` is made of the registry of codes and the test cases; the tables of keys in `language.md` are made
of the JSON schema, and `schemas.md` of the schemas of answers.
"""

from __future__ import annotations

import glob
import json
import os
import sys
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from mlorch.spec import schema
from mlorch.spec.codes import CODES, Code
from mlorch.spec.schema import resolved
from mlorch.spec.wording import flow

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(os.path.dirname(HERE), "tests", "cases")
BEGIN, END = "<!-- keys: made by docs/generate.py -->\n", "<!-- end of keys -->\n"

KINDS = {
    "E1": "Form",
    "E2": "Names and the graph",
    "E3": "Functions and code",
    "E4": "Paths",
    "E5": "Expressions",
}
KINDS.update({"E6": "Settings", "E7": "Effects and capacity", "W1": "Warnings"})

HEAD = """# Errors

Made by `docs/generate.py` of the registry of codes and the test cases; a test keeps it so.

Every problem of a pipeline has a code, a place and a remedy. All are told at once, sorted by place. A code
never gets a second meaning. `mlorch validate` finds most of them from the text alone; those that need values,
files or code are found by `mlorch plan` (and `run`, before anything is executed).
"""


def read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


# -------------------------------------------------------------------------------------------------- errors


def errors_page() -> str:
    """`docs/errors.md`."""
    parts = [HEAD]
    kind = ""
    for code, about in sorted(CODES.items()):
        if code[:2] != kind:
            kind = code[:2]
            parts.append(f"\n## {KINDS[kind]}\n")
        parts.append(_section(code, about))
    return "".join(parts)


def _section(code: str, about: Code) -> str:
    found = _example(code)
    by = f" Found by `mlorch {about.by}`." if about.by in ("plan", "run") else ""
    text = f"\n### {code}: {about.title}\n\n{about.explanation}{by}\n"
    if found is not None:
        source, output = found
        language = "toml" if about.by == "settings" else "yaml"
        text += f"\n```{language}\n{source}```\n\n```text\n{output}```\n"
    return text


WARNINGS = {"W101": "boolean-words", "W102": "almost-expressions"}


def _example(code: str) -> Optional[Tuple[str, str]]:
    """The text of the first case of a code, and what mlorch says of it."""
    if code in WARNINGS:
        base = os.path.join(CASES, "valid", WARNINGS[code])
        return read(base + ".yaml"), read(base + ".txt")
    for path in sorted(glob.glob(os.path.join(CASES, "*", code + "-*.txt"))):
        source = path[:-4] + (".toml" if os.path.exists(path[:-4] + ".toml") else ".yaml")
        try:
            text = read(source)
        except UnicodeDecodeError:
            continue
        if text.isprintable() or not any(character < " " and character != "\n" for character in text):
            return text if text.endswith("\n") or not text else text + "\n", read(path)
        if code == "E110":
            return text, read(path)
    return None


# ---------------------------------------------------------------------------------------------------- keys

TABLES = (
    ("At the top of a pipeline", ""),
    ("Of a step", "step"),
    ("Of an input that is a mapping", "input"),
    ("Of an output that is a mapping", "output"),
    ("Of `matrix`, beside its axes", "matrix"),
    ("Of a check that is a mapping", "check"),
    ("Of `retry`", "retry"),
    ("Of `timeout`", "timeout"),
    ("Of `cache`", "cache"),
    ("Of `resources`, beside free tokens", "resources"),
    ("Of a hook", "hook"),
    ("Of a channel of `notify`", "channel"),
    ("Of an entry of `include`", "include"),
    ("Of an included file", "included"),
)


def keys_tables() -> str:
    """The tables of keys in `docs/language.md`."""
    parts: List[str] = []
    for title, definition in TABLES:
        part = resolved(definition)
        parts.append(f"\n### {title}\n\n| key | what | example |\n| --- | --- | --- |\n")
        parts.extend(_rows(part))
    return "".join(parts) + "\n"


def _rows(part: Mapping[str, Any]) -> Iterator[str]:
    required: Sequence[str] = part.get("required", ())
    for name, about in part["properties"].items():
        what = about["description"]
        if name in required:
            what = "**Required.** " + what
        if "default" in about:
            what += " Default: `{}`.".format(flow(about["default"]))
        yield "| `{}` | {} | {} |\n".format(
            name, _cell(what), " or ".join(_code(item) for item in about["examples"])
        )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(value: Any) -> str:
    return f"`{_cell(flow(value))}`"


def language_page() -> str:
    """`docs/language.md` with its tables of keys made anew."""
    text = read(os.path.join(HERE, "language.md"))
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + keys_tables() + END + after


# ------------------------------------------------------------------------------------------------- schemas

SCHEMAS = """# JSON schemas

Made by `docs/generate.py` of the files in `schemas/`; a test keeps it so.

With `--json` a verb prints one document, and its key `schema` says which: `{"schema": "mlorch.plan/1", …}`. A later version of
mlorch may add keys to one; a change that programs would notice gives it another number. Times are UTC in ISO-8601, durations are
seconds. The schemas are draft-07; a wheel has them in `mlorch/schemas/`.

| document | what | |
| --- | --- | --- |
"""


def schemas_page() -> str:
    """`docs/schemas.md`."""
    rows = []
    for path in sorted(glob.glob(os.path.join(os.path.dirname(HERE), "schemas", "*.json"))):
        about = json.loads(read(path))
        name = os.path.basename(path)
        what = _cell(about["description"])
        rows.append(f"| `{about['title']}` | {what} | [{name}](../schemas/{name}) |\n")
    return SCHEMAS + "".join(rows)


PAGES = {"errors.md": errors_page, "language.md": language_page, "schemas.md": schemas_page}


def main(arguments: Sequence[str]) -> int:
    assert schema()
    pages: Dict[str, str] = {name: make() for name, make in PAGES.items()}
    differ = []
    for name, text in pages.items():
        path = os.path.join(HERE, name)
        if os.path.exists(path) and read(path) == text:
            continue
        differ.append(name)
        if "--check" not in arguments:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    for name in differ:
        print(("differs: " if "--check" in arguments else "wrote ") + name)
    return 1 if differ and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
