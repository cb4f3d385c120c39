"""`init`: a project that runs at once, and what CI and editors need for one."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from enum import Enum
from typing import Dict, List, Optional, Sequence, Tuple

import typer

from mlorch.cli.common import Options, print_document, print_text, say
from mlorch.cli.complete import complete_folders
from mlorch.cli.ignore import add_ignored, outputs_of
from mlorch.errors import EnvironmentFault, UsageError, did_you_mean
from mlorch.report.style import PLAIN
from mlorch.spec.schema import schema_path

TEMPLATES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "templates")
DEFAULT = "minimal"
PIPELINES = ("mlorch.yaml", "pipeline.yaml")
SCHEMA = "mlorch.schema.json"
"""What the first line of every template names to editors; a copy of the installed schema."""
WRITTEN, SAME, REPLACED = "written", "same", "replaced"
NEXT = {"sklearn": "python -m pip install -r requirements.txt && "}
"""What a template needs before its first run."""
Files = List[Tuple[str, str]]
"""(source, path in the project) of each."""


class Ci(str, Enum):
    github = "github"
    gitlab = "gitlab"
    cron = "cron"


CI_FILES: Dict[Ci, Tuple[str, str]] = {
    Ci.github: ("github.yml", ".github/workflows/mlorch.yml"),
    Ci.gitlab: ("gitlab.yml", ".gitlab-ci.yml"),
    Ci.cron: ("cron.sh", "mlorch-cron.sh"),
}


class Editor(str, Enum):
    vscode = "vscode"


EDITOR_FILES: Dict[Editor, Files] = {
    Editor.vscode: [
        ("extensions.json", ".vscode/extensions.json"),
        ("settings.json", ".vscode/settings.json"),
    ]
}

DIRECTORY = typer.Argument(None, metavar="[DIR]", help="Default: here.", autocompletion=complete_folders)


def template_names() -> List[str]:
    return sorted(name for name in os.listdir(TEMPLATES) if not name.startswith(("_", ".")))


TEMPLATE = typer.Option(
    None, "--template", metavar="NAME", help="minimal, sklearn or shell.", autocompletion=template_names
)
CI = typer.Option(
    None, "--ci", help="Add a GitHub workflow, a GitLab job, or a script for cron.", show_default=False
)
EDITOR = typer.Option(
    None, "--editor", help="Add VS Code's settings: completion, help, errors.", show_default=False
)
GITIGNORE = typer.Option(False, "--gitignore", help="Have git ignore the store and the pipeline's outputs.")
LIST = typer.Option(False, "--list", help="List the templates.")
FORCE = typer.Option(False, "--force", help="Replace files that are there.")


def init(
    options: Options,
    directory: Optional[str] = DIRECTORY,
    template: Optional[str] = TEMPLATE,
    ci: Optional[List[Ci]] = CI,
    editor: Optional[Editor] = EDITOR,
    gitignore: bool = GITIGNORE,
    list_: bool = LIST,
    force: bool = FORCE,
) -> int:
    """A project from a template, or CI and an editor's files for one."""
    if list_:
        return list_templates(options)
    folder = os.path.abspath(directory or options.root or ".")
    present = [name for name in PIPELINES if os.path.lexists(os.path.join(folder, name))]
    extras = list(ci or ())
    adds_only = bool(present) and template is None and (bool(extras) or bool(editor) or gitignore)
    files: Files = []
    if Ci.cron in extras:
        cron_line(folder)  # before anything is written
    if not adds_only:
        template = template or ask_template(options, "" if force else "".join(present[:1]))
        files += template_files(template)
    files += [(os.path.join(TEMPLATES, "_ci", CI_FILES[item][0]), CI_FILES[item][1]) for item in extras]
    if editor:
        files += editor_files(editor, folder, force, [path for _, path in files])
    done = install(folder, files, force)
    ignored = add_ignored(folder, outputs_of(folder)) if gitignore else []
    report(options, folder, None if adds_only else template, done, ignored)
    if Ci.cron in extras:
        say(f"a line for `crontab -e`, at five each morning:\n  0 5 * * * {cron_line(folder)}", options)
    return 0


def cron_line(folder: str) -> str:
    """The command of a cron line: in cron a `%` ends it, so there it has a backslash. Raises UsageError for a folder that
    no line can name."""
    if not folder.isprintable():
        message = f"`{PLAIN.clean(folder)}` holds a character that a line of crontab can't"
        raise UsageError(message, "rename the folder, or let cron start a script that lies elsewhere")
    script = os.path.join(folder, CI_FILES[Ci.cron][1])
    return shlex.quote(script).replace("%", "\\%")


def editor_files(editor: Editor, folder: str, force: bool, others: Sequence[str]) -> Files:
    """An editor's files, and the schema where `others` lack it.

    Raises UsageError where settings that are there would be lost, with what to add to them.
    """
    files = [(os.path.join(TEMPLATES, "_editor", name), path) for name, path in EDITOR_FILES[editor]]
    for source, path in files:
        if not force and state(source, os.path.join(folder, path)) == REPLACED:
            with open(source, encoding="utf-8") as file:
                lines = " ".join(file.read().split())[1:-1].strip()
            hint = f"add to it: {lines}; and run `mlorch schema -o {SCHEMA}`"
            raise UsageError(f"{path} is there already", hint)
    return files if SCHEMA in others else [*files, (schema_path(), SCHEMA)]


def list_templates(options: Options) -> int:
    found = [(name, describe(name), [path for _, path in template_files(name)]) for name in template_names()]
    if options.json:
        templates = [{"name": name, "description": text, "files": files} for name, text, files in found]
        print_document({"schema": "mlorch.templates/1", "templates": templates})
    else:
        width = max(len(name) for name, _, _ in found)
        print_text("\n".join(f"{name.ljust(width)}  {text}" for name, text, _ in found))
    return 0


def describe(template: str) -> str:
    with open(os.path.join(TEMPLATES, template, PIPELINES[0]), encoding="utf-8") as file:
        for line in file:
            if line.startswith("description:"):
                return line.split(":", 1)[1].strip()
    return ""


def ask_template(options: Options, present: str = "") -> str:
    """The default, unless a person is there to be asked: then not where a pipeline is `present` that would be replaced."""
    if options.json or options.quiet or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return DEFAULT
    if present:
        hint = "add to it with --ci, --editor or --gitignore; or name another folder"
        raise UsageError(f"there is a pipeline here already: {present}", hint)
    for name in template_names():
        say(f"{name.ljust(8)}  {describe(name)}", options)
    return str(typer.prompt("template", default=DEFAULT, err=True))


def template_files(template: str) -> Files:
    """The template's own, sorted, and the schema. Raises UsageError for an unknown template."""
    names = template_names()
    if template not in names:
        hint = did_you_mean(template, names) or "one of " + ", ".join(names)
        raise UsageError(f"unknown template `{template}`", hint)
    base = os.path.join(TEMPLATES, template)
    found: Files = []
    for folder, folders, files in os.walk(base):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            source = os.path.join(folder, name)
            found.append((source, os.path.relpath(source, base)))
    return [*found, (schema_path(), SCHEMA)]


def install(folder: str, files: Files, force: bool) -> List[Tuple[str, str]]:
    """Copy files; (path, what was done). Nothing is written where one of them would replace something else.

    Raises UsageError (files are in the way), EnvironmentFault.
    """
    states = [(source, path, state(source, os.path.join(folder, path))) for source, path in files]
    taken = [path for _, path, what in states if what == REPLACED]
    if taken and not force:
        listed = ", ".join(taken[:5])
        raise UsageError(f"{listed} would be replaced", "choose an empty folder, or give --force")
    for source, path, what in states:
        if what != SAME:
            copy(source, os.path.join(folder, path))
    return [(path, what) for _, path, what in states]


def state(source: str, target: str) -> str:
    if not os.path.lexists(target):
        return WRITTEN
    if not os.path.isfile(target) or os.path.islink(target):
        return REPLACED
    with open(source, "rb") as ours, open(target, "rb") as theirs:
        return SAME if ours.read() == theirs.read() else REPLACED


def copy(source: str, target: str) -> None:
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.islink(target):
            os.unlink(target)
        shutil.copyfile(source, target)
        if source.endswith(".sh"):
            os.chmod(target, 0o755)
    except OSError as error:
        hint = "choose a folder where you may write"
        raise EnvironmentFault(f"{target}: {(error.strerror or 'failed').lower()}", hint) from error


def report(
    options: Options, folder: str, template: Optional[str], done: List[Tuple[str, str]], ignored: List[str]
) -> None:
    if options.json:
        print_document(
            {
                "schema": "mlorch.init/1",
                "folder": folder,
                "template": template,
                "files": [{"path": path, "action": what} for path, what in done],
                "ignored": ignored,
            }
        )
        return
    lines = [f"{what.ljust(8)}  {path}" for path, what in done]
    lines += [f"ignored   {pattern}" for pattern in ignored]
    print_text("\n".join(lines) or "nothing to add")
    if template:
        place = "" if folder == os.getcwd() else f"cd {shlex.quote(os.path.relpath(folder))} && "
        say(f"next: {activation()}{place}{NEXT.get(template, '')}mlorch run", options)


def activation() -> str:
    """What puts `mlorch` on PATH, and the `python` that it runs on, where that has not been done."""
    script = os.path.join(os.path.dirname(os.path.abspath(sys.executable)), "activate")
    if shutil.which("mlorch") or not os.path.isfile(script):
        return ""
    near = os.path.relpath(script)
    return f". {shlex.quote(script if near.startswith('..') else near)} && "
