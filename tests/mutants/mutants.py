"""Deliberate defects, and the tests that must see each. An edit is a text that must stand exactly once in its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

Edit = Tuple[str, str, str]
"""File, text, text instead."""

ORDER = "tests/faults/test_order.py::"
MENDED = "tests/faults/test_mended.py::"
STORE = "tests/store/"
ACCEPT = "tests/acceptance/"
PROCESSES = "tests/engine_processes/"


@dataclass(frozen=True)
class Mutant:
    """Args:
    promises: numbers of the promises that it breaks.
    tests: those that must fail.
    """

    name: str
    promises: Tuple[int, ...]
    edits: Sequence[Edit]
    tests: Sequence[str]


MUTANTS = [
    Mutant(
        "no sync",
        (5,),
        [
            (
                "mlorch/store/files.py",
                '    fault("sync")\n    if len(paths) > 1 and',
                '    fault("sync")\n    return\n    if len(paths) > 1 and',
            )
        ],
        [ORDER + "test_contents_are_synced_before_they_get_their_names"],
    ),
    Mutant(
        "no lock",
        (6,),
        [("mlorch/store/locks.py", "if other.number < own.number and _clash(own, other)]", "if not other]")],
        [
            ACCEPT + "test_accept_two_runs.py::test_runs_of_overlapping_targets_execute_each_key_once",
            ACCEPT + "test_accept_two_runs.py::test_without_waiting_only_what_is_in_the_way_is_refused",
        ],
    ),
    Mutant(
        "no re-check of inputs",
        (3,),
        [("mlorch/engine/publish.py", "            if changed_input:\n", "            if False:\n")],
        [ACCEPT + "test_accept_attempts.py::test_an_input_that_changes_while_it_runs_fails_the_attempt"],
    ),
    Mutant(
        "no digest check on restore",
        (4,),
        [
            (
                "mlorch/store/objects.py",
                "        if found != digest:\n            files.remove(target)",
                "        if False:\n            files.remove(target)",
            )
        ],
        [ORDER + "test_a_harmed_object_never_reaches_its_place"],
    ),
    Mutant(
        "a write in place, no rename",
        (2,),
        [
            (
                "mlorch/store/files.py",
                '    fault("exchange")\n    return',
                '    fault("exchange")\n    if os.path.isfile(first) and os.path.isfile(second):\n'
                "        one, other = read(first), read(second)\n"
                "        for path, data in ((first, other), (second, one)):\n"
                '            with open(path, "wb") as file:\n                file.write(data)\n'
                "        return True\n    return",
            )
        ],
        [ORDER + "test_a_reader_never_sees_a_version_that_is_not_whole"],
    ),
    Mutant(
        "record before objects",
        (1, 4),
        [
            (
                "mlorch/store/local.py",
                "        folders = self.objects.install(dict(taken))\n"
                "        folders += self.record_files.install(prepared)\n",
                "        folders = self.record_files.install(prepared)\n"
                "        folders += self.objects.install(dict(taken))\n",
            )
        ],
        [ORDER + "test_a_record_never_stands_without_its_objects"],
    ),
    Mutant(
        "publish before record",
        (1, 3),
        [
            (
                "mlorch/engine/settle.py",
                "        self._store.commit(records)\n        return records",
                "        return records",
            ),
            (
                "mlorch/engine/settle.py",
                "            return [self._succeeded(item, record) for item, record in zip(batch, records)]",
                "            concluded = [self._succeeded(item, record) for item, record in zip(batch, records)]\n"
                "        self._store.commit(records)\n        return concluded",
            ),
        ],
        [ORDER + "test_an_output_is_put_in_place_after_its_record"],
    ),
    Mutant(
        "key without env",
        (8,),
        [
            (
                "mlorch/plan/bind.py",
                '            rows.append(Row("env", name, env[name]))\n        return env',
                "        return env",
            )
        ],
        [ACCEPT + "test_accept_params.py::test_environment_is_scrubbed_but_for_what_is_declared"],
    ),
    Mutant(
        "key without the interpreter",
        (8,),
        [
            (
                "mlorch/plan/bind.py",
                'rows.append(Row("interpreter", "python", interpreter_text(reach.interpreter)))',
                "pass",
            )
        ],
        [ORDER + "test_another_interpreter_is_another_key"],
    ),
    Mutant(
        "shell values unquoted",
        (12,),
        [
            (
                "mlorch/shell/compose.py",
                """    return "'" + text.replace("'", "'\\\\''") + "'"\n""",
                "    return text\n",
            )
        ],
        ["tests/shell/test_shell_injection.py"],
    ),
    Mutant(
        "no killpg",
        (10,),
        [("mlorch/engine/process.py", "        os.killpg(group, number)", "        os.kill(group, number)")],
        [
            PROCESSES + "test_run_attempts.py::test_a_timeout_ends_the_whole_group_with_grace",
            PROCESSES + "test_run_attempts.py::test_what_stays_in_the_group_ends_with_its_leader",
        ],
    ),
    Mutant(
        "secrets unmasked in --json",
        (13,),
        [("mlorch/engine/agent.py", "error=mask(ended.error, attempt.secrets)", "error=ended.error")],
        [ORDER + "test_a_secret_in_an_exception_is_masked_in_json"],
    ),
    Mutant(
        "secrets unmasked in logs",
        (13,),
        [
            (
                "mlorch/engine/masker.py",
                "        if pattern in data:\n            data =",
                "        if False:\n            data =",
            )
        ],
        [ACCEPT + "test_accept_params.py::test_a_secret_is_in_no_file_and_no_stream"],
    ),
    Mutant(
        "the guardian sleeps",
        (10,),
        [
            (
                "mlorch/engine/inside/guardian.py",
                "    if os.read(0, 1):\n        return\n",
                "    os.read(0, 1)\n    return\n",
            )
        ],
        [PROCESSES + "test_guardian.py::test_nothing_lives_on_after_the_orchestrator"],
    ),
    Mutant(
        "a short write is not finished",
        (9,),
        [
            (
                "mlorch/store/files.py",
                "    while view:\n        view = view[os.write(fd, cut(view)) :]",
                "    os.write(fd, cut(view))",
            )
        ],
        [ORDER + "test_a_short_write_is_finished"],
    ),
    Mutant(
        "a full disk is the step's failure",
        (9,),
        [("mlorch/closing.py", "    if any(item.environment for item in outcomes):", "    if False:")],
        [ORDER + "test_a_full_disk_is_not_the_steps_failure"],
    ),
    Mutant(
        "gc does not see live runs",
        (6,),
        [
            (
                "mlorch/store/gc.py",
                '    return min(times, default=float("inf")), sorted(',
                '    return float("inf"), sorted(',
            )
        ],
        [STORE + "test_store_gc.py::test_a_live_run_keeps_what_it_may_be_about_to_use"],
    ),
    Mutant(
        "records of a killed run are not indexed",
        (1,),
        [
            (
                "mlorch/store/records.py",
                "        for note in self.orphaned_notes():",
                "        for note in []:",
            )
        ],
        [MENDED + "test_a_record_of_a_failed_commit_is_indexed_by_the_next_process"],
    ),
    Mutant(
        "what a killed run took away does not come back",
        (2, 15),
        [
            (
                "mlorch/store/staging.py",
                "                if not self._parts.is_alive(entry.owner):",
                "                if False:",
            )
        ],
        [STORE + "test_store_workspace.py::test_the_next_run_undoes_what_a_killed_one_left"],
    ),
    Mutant(
        "a user's file is destroyed",
        (15,),
        [
            (
                "mlorch/store/displace.py",
                "        return stat.S_ISREG(found.st_mode) and survey.files.get(path) == _mark(found)",
                "        return True",
            )
        ],
        [STORE + "test_store_workspace.py::test_a_file_of_the_users_is_kept_bit_for_bit"],
    ),
    Mutant(
        "a digest too young to trust is trusted",
        (4, 8),
        [
            (
                "mlorch/store/witness.py",
                "    return newest + (MARGIN if newest % 1_000_000_000 else COARSE) > taken",
                "    return False",
            )
        ],
        [STORE + "test_store_contents.py::test_an_edit_in_the_same_tick_of_the_clock_is_seen"],
    ),
    Mutant(
        "objects can be written",
        (7,),
        [("mlorch/store/objects.py", "MODE = 0o444", "MODE = 0o644")],
        [STORE + "test_store_objects.py::test_an_ingested_file_is_a_read_only_object_under_its_digest"],
    ),
    Mutant(
        "code that changed meanwhile counts as what ran",
        (3, 8),
        [("mlorch/engine/rebuild.py", "    if record.code_changed:", "    if False:")],
        [ORDER + "test_a_result_of_code_that_changed_meanwhile_never_serves_the_code_before"],
    ),
    Mutant(
        "a torn line takes the next one with it",
        (1,),
        [
            (
                "mlorch/store/files.py",
                '        if end and os.pread(fd, 1, end - 1) != b"\\n":',
                "        if False:",
            )
        ],
        [MENDED + "test_after_a_torn_line_the_next_one_is_whole"],
    ),
]
