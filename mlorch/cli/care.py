"""Verbs that look after the store and the machine: verify, gc, doctor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Dict, List, Optional, cast

import typer

from mlorch.cli.common import Options, at_least, print_document, print_text
from mlorch.errors import ExitCode, MlorchError

if TYPE_CHECKING:
    from mlorch.cli.doctor import Finding
    from mlorch.model import Settings
    from mlorch.store.gc import GcReport
    from mlorch.store.local import LocalStore
    from mlorch.store.verifying import VerifyReport

FIX = typer.Option(False, "--fix", help="Quarantine what is corrupt, so that it is made again.")
KEEP_RUNS = typer.Option(None, "--keep-runs", metavar="N", help="Keep what the last N runs used.")
KEEP_FOR = typer.Option(None, "--keep-for", metavar="AGE", help="Keep what runs of the last 30d used.")
MAX_SIZE = typer.Option(
    None, "--max-size", metavar="SIZE", help="Delete the oldest until it fits, as in 20GB."
)
KEPT = typer.Option(False, "--kept", help="Also what is in .mlorch/kept/: files that mlorch did not make.")
YES = typer.Option(False, "--yes", help="Delete. Without it, only say what would be deleted.")
LEVELS = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}


def doctor(options: Options) -> int:
    """Versions, settings, disk, file system, locks, interpreter."""
    from mlorch.cli.complete import project_root
    from mlorch.cli.doctor import examine, versions
    from mlorch.settings import read_settings

    root = project_root(options.root)
    settings = read_settings(root)
    findings = examine(settings, declared_python(options), os.environ)
    if options.json:
        print_document(doctor_document(versions(), settings, findings))
    else:
        print_text(doctor_text(versions(), settings, findings))
    broken = any(finding.level == "problem" for finding in findings)
    return int(ExitCode.ENVIRONMENT if broken else ExitCode.DONE)


def declared_python(options: Options) -> Optional[str]:
    from mlorch import app

    try:
        return app.load_only(app.Request(root=options.root))[0].python
    except MlorchError:
        return None


def doctor_document(versions: Dict[str, str], settings: Settings, findings: List[Finding]) -> Dict[str, Any]:
    from mlorch.cli.doctor import settings_view

    return {
        "schema": "mlorch.doctor/1",
        "versions": versions,
        "root": settings.root,
        "store": {"path": settings.store, "exists": os.path.isdir(settings.store)},
        "settings": settings_view(settings),
        "findings": [
            {"level": item.level, "subject": item.subject, "text": item.text, "hint": item.hint}
            for item in findings
        ],
    }


def doctor_text(versions: Dict[str, str], settings: Settings, findings: List[Finding]) -> str:
    from mlorch.cli.doctor import settings_view
    from mlorch.cli.tables import block

    there = "" if os.path.isdir(settings.store) else " (not there yet)"
    rows = [[item["name"], setting_text(item["value"]), item["origin"]] for item in settings_view(settings)]
    lines = [[LEVELS[item.level], item.subject, item.text] for item in findings]
    hints = [[item.subject, item.hint] for item in findings if item.hint]
    blocks = block("versions", [[name, text] for name, text in versions.items()])
    blocks += block("project", [["root", settings.root], ["store", settings.store + there]])
    blocks += block("settings", rows) + block("machine", lines) + block("to do", hints)
    return "\n\n".join(blocks)


def setting_text(value: Any) -> str:
    if isinstance(value, list):
        return os.pathsep.join(value)
    return "" if value is None else str(value)


def verify(options: Options, fix: bool = FIX) -> int:
    """Digest the whole store again. Sees, too, that what records promise is there."""
    from mlorch import store as stores

    report = stores.verify(local_store(options, create=fix), fix)
    damages = [("corrupt", item) for item in report.corrupt] + [("missing", item) for item in report.missing]
    if options.json:
        print_document(
            {
                "schema": "mlorch.verify/1",
                "clean": report.clean,
                "objects": report.objects,
                "bytes": report.bytes,
                "records": report.records,
                "damages": [
                    {
                        "kind": kind,
                        "digest": item.digest,
                        "problem": item.problem,
                        "used_by": list(item.used_by),
                    }
                    for kind, item in damages
                ],
                "unreadable_records": list(report.unreadable),
                "fixed": report.fixed,
            }
        )
    else:
        print_text(verify_text(report))
    return int(ExitCode.DONE if report.clean else ExitCode.CORRUPT)


def verify_text(report: VerifyReport) -> str:
    from mlorch.report.style import PLAIN, bytes_text

    clean = PLAIN.clean

    lines = []
    for item in (*report.corrupt, *report.missing):
        names = list(dict.fromkeys(map(clean, item.used_by)))  # of each record that needs it
        users = (
            f" (of {', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''})"
            if names
            else ""
        )
        lines.append(f"{item.digest} {clean(item.problem)}{users}")
    lines += [f"record {clean(path)} can't be read" for path in report.unreadable]
    counted = f"{report.objects} objects ({bytes_text(report.bytes)}) and {report.records} records"
    if report.clean:
        return f"{counted} are as they should be"
    remedy = (
        "what is needed of it will be made again" if report.fixed else "`mlorch verify --fix` puts it aside"
    )
    return "\n".join([*lines, f"{counted} were looked at, {len(lines)} of them damaged: {remedy}"])


def gc(
    options: Options,
    keep_runs: Optional[int] = KEEP_RUNS,
    keep_for: Optional[str] = KEEP_FOR,
    max_size: Optional[str] = MAX_SIZE,
    kept: bool = KEPT,
    yes: bool = YES,
) -> int:
    """Delete what nothing refers to. Without --yes, only say what that would be."""
    from mlorch import store as stores
    from mlorch.history.runs import duration, size

    report = stores.collect_garbage(
        local_store(options, create=yes),
        keep_runs=at_least(keep_runs, 0, "--keep-runs"),
        keep_for=duration(keep_for, "--keep-for") if keep_for is not None else None,
        max_size=size(max_size, "--max-size") if max_size is not None else None,
        kept=kept,
        dry_run=not yes,
    )
    if options.json:
        print_document(
            {
                "schema": "mlorch.gc/1",
                "dry_run": report.dry_run,
                "bytes": report.bytes,
                "objects": report.objects,
                "records": report.records,
                "runs": list(report.runs),
                "temporaries": report.temporaries,
                "kept": report.kept,
                "quarantined": report.quarantined,
                "live": list(report.live),
                "spared": report.spared,
            }
        )
    else:
        print_text(gc_text(report))
    return 0


def gc_text(report: GcReport) -> str:
    from mlorch.report.style import bytes_text

    counts = [
        (report.objects, "object"),
        (report.records, "record"),
        (len(report.runs), "run"),
        (report.temporaries, "temporary file"),
        (report.kept, "kept file"),
        (report.quarantined, "quarantined object"),
    ]
    parts = [f"{count} {word}{'s' * (count != 1)}" for count, word in counts if count]
    lines = []
    if report.live:
        lines.append(f"live runs are spared, and all that they may use: {', '.join(report.live)}")
    if not parts:
        return "\n".join([*lines, "nothing to delete"])
    verb = "would free" if report.dry_run else "freed"
    lines.append(f"{verb} {bytes_text(report.bytes)}: {', '.join(parts)}")
    if report.dry_run:
        lines.append("nothing was deleted: give --yes to do it")
    return "\n".join(lines)


def local_store(options: Options, create: bool) -> LocalStore:
    """The store to look after: one that is not there is an empty one, and is not made."""
    from mlorch import app

    request = app.Request(root=options.root)
    store = app.open_store(request)
    if create and os.path.isdir(store.path):
        store = app.open_store(request, create=True)
    return cast("LocalStore", store)
