"""What mlorch promises, and the tests that show it. `docs/promises.md` is made of this and of the figures that
`make faults` and `make mutants` leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class Promise:
    number: int
    text: str
    tests: Tuple[str, ...]
    """`FILE::TEST`, under `tests/`."""


PROMISES = (
    Promise(
        1,
        "After `kill -9` of any process at any instant, the next run needs no repair and gives byte-identical artifacts"
        " (for deterministic steps).",
        (
            "faults/test_faults.py::test_nothing_is_lost",
            "faults/test_mended.py::test_a_record_of_a_failed_commit_is_indexed_by_the_next_process",
            "store/test_store_kill.py::test_kills_at_random_moments",
            "store/test_store_kill.py::test_every_fault_point",
            "acceptance/test_accept_cron.py::test_kill_9_leaves_no_process_and_needs_no_repair",
        ),
    ),
    Promise(
        2,
        "What stands under a declared output that was written through `${{ outputs.x }}` is always a complete old or a"
        " complete new version (a power cut aside, after which the next run puts it right).",
        (
            "faults/test_order.py::test_a_reader_never_sees_a_version_that_is_not_whole",
            "faults/test_order.py::test_an_output_is_put_in_place_after_its_record",
            "faults/test_faults.py::test_nothing_is_lost",
            "store/test_store_workspace.py::test_a_folder_of_two_thousand_files_is_put_in_place_whole",
        ),
    ),
    Promise(
        3,
        "A step that fails, times out, is killed or misses an output never leaves anything that a later run takes for good"
        " (its `checkpoint` folder, which only the same key sees, aside). Success is: exit 0, every output there, of the"
        " right kind, digested, and the inputs unchanged since the start.",
        (
            "acceptance/test_accept_attempts.py::test_an_input_that_changes_while_it_runs_fails_the_attempt",
            "acceptance/test_accept_attempts.py::test_code_that_changes_while_it_runs_is_not_taken_for_what_ran",
            "acceptance/test_accept_attempts.py::test_retries_with_fresh_staging_until_it_works",
            "acceptance/test_accept_files.py::test_a_missing_output_or_one_of_the_wrong_kind_fails_the_step",
            "acceptance/test_accept_checkpoint.py",
        ),
    ),
    Promise(
        4,
        "A changed, truncated, missing or unreadable object is detected before use, named, quarantined and rebuilt;"
        " `verify` goes on past errors.",
        (
            "store/test_store_objects.py::test_a_harmed_object_is_named_quarantined_and_made_anew",
            "store/test_store_objects.py::test_a_harmed_member_of_a_folder_is_found_before_anything_changes",
            "store/test_store_gc.py::test_verify_goes_on_past_errors_and_fix_quarantines",
            "acceptance/test_accept_files.py::test_a_lost_object_of_a_stored_output_is_made_again",
            "faults/test_order.py::test_a_record_never_stands_without_its_objects",
        ),
    ),
    Promise(
        5,
        "Reported success survives a power cut (ext4, xfs).",
        (
            "faults/test_faults.py::test_nothing_is_lost",
            "faults/test_order.py::test_contents_are_synced_before_they_get_their_names",
        ),
    ),
    Promise(
        6,
        "Concurrent runs on one host never execute the same key at the same time, never mix versions in the workspace,"
        " never deadlock, never corrupt; locks free themselves. `gc` never removes what a live run uses.",
        (
            "acceptance/test_accept_two_runs.py::test_runs_of_overlapping_targets_execute_each_key_once",
            "acceptance/test_accept_two_runs.py::test_runs_with_other_params_never_mix_their_versions",
            "acceptance/test_accept_two_runs.py::test_a_killed_run_frees_the_way_and_a_waiting_one_can_be_interrupted",
            "acceptance/test_accept_two_runs.py::test_a_circle_of_waits_through_two_nested_runs_ends_with_4",
            "store/test_store_locks.py::test_an_orphaned_step_still_holds_and_is_named",
            "store/test_store_locks.py::test_many_processes_never_hold_the_same_path_together",
            "store/test_store_gc.py::test_a_live_run_keeps_what_it_may_be_about_to_use",
            "faults/test_faults.py::test_nothing_is_lost",
        ),
    ),
    Promise(
        7,
        "No step and no user edit can change a stored object.",
        (
            "store/test_store_objects.py::test_an_ingested_file_is_a_read_only_object_under_its_digest",
            "store/test_store_objects.py::test_a_file_that_another_name_or_writer_could_change_is_copied",
            "store/test_store_workspace.py::test_an_edit_of_a_placed_file_does_not_reach_the_store",
            "acceptance/test_accept_files.py::test_an_edited_output_is_kept_and_restored",
            "store/test_store_contents.py::test_an_edit_between_placing_an_output_and_looking_at_it_is_seen",
        ),
    ),
    Promise(
        8,
        "A second run executes no step (but those with `cache: false` or an expired `ttl`) and changes no byte and no mtime"
        " outside `.mlorch/`. Results do not depend on the clock, the locale, the hash seed, directory order, the number of"
        " jobs or the project's path.",
        (
            "properties/test_correctness.py::test_outputs_equal_a_clean_build_and_a_second_run_executes_nothing",
            "acceptance/test_accept_cron.py::test_cron_makes_the_same_digests_as_a_terminal",
            "faults/test_order.py::test_another_interpreter_is_another_key",
            "faults/test_faults.py::test_nothing_is_lost",
            "store/test_store_contents.py::test_an_edit_in_the_same_tick_of_the_clock_is_seen",
        ),
    ),
    Promise(
        9,
        "A full disk, a read-only file system, EIO, EMFILE or ENOMEM anywhere gives one clear error, an intact store, and"
        " success once the cause is gone.",
        (
            "faults/test_faults.py::test_nothing_is_lost",
            "faults/test_order.py::test_a_full_disk_is_not_the_steps_failure",
            "faults/test_order.py::test_a_run_that_the_machine_ends_says_so_in_its_last_event",
            "code/test_code_environment.py::test_what_can_not_be_looked_at_for_the_machine_is_not_taken_for_absent",
            "hostile/test_hostile_mounts.py",
            "faults/test_order.py::test_a_short_write_is_finished",
            "store/test_store_kill.py::test_every_fault_point",
            "store/test_store_kill.py::test_no_more_descriptors_is_one_clear_error",
            "cli/test_start.py::test_a_full_disk_under_stdout_exits_8",
        ),
    ),
    Promise(
        10,
        "SIGINT, SIGTERM, SIGHUP, SIGPIPE end the whole tree, grandchildren too, record `cancelled` and exit 130, 143, 129,"
        " 141. `kill -9` of the orchestrator leaves nothing running, except what cleared its environment and left its"
        " session.",
        (
            "cli/test_verbs.py::test_a_signal_ends_a_run_which_says_how_to_resume",
            "acceptance/test_accept_limits.py::test_outcomes_add_up_after_a_signal_at_any_moment",
            "acceptance/test_accept_runs.py::test_a_signal_that_the_main_thread_does_not_notice_ends_the_run",
            "cli/test_reproduce.py::test_an_end_by_signal_leaves_nothing",
            "acceptance/test_accept_cron.py::test_a_pipe_that_closes_early_gives_141_and_no_traceback",
            "acceptance/test_accept_cron.py::test_kill_9_leaves_no_process_and_needs_no_repair",
            "engine_processes/test_guardian.py::test_nothing_lives_on_after_the_orchestrator",
            "engine_processes/test_run_attempts.py::test_a_timeout_ends_the_whole_group_with_grace",
            "faults/test_faults.py::test_nothing_is_lost",
        ),
    ),
    Promise(
        11,
        "`validate`, `graph` and `plan` on any file (over 4 MB is refused) execute nothing, import nothing of the"
        " project's, read nothing outside it, use no network, end within 5 s and 512 MB, and exit 0 or 3 with a line and a"
        " column for what files say.",
        (
            "spec/test_spec_fuzz.py",
            "spec/test_spec_reader.py",
            "spec/test_spec_speed.py::test_files_that_ask_for_much_are_told_quickly",
            "hostile/test_hostile_repository.py",
        ),
    ),
    Promise(
        12,
        "Values reach steps quoted, or by environment or argv. No text from a pipeline, a param, a file name or a step's"
        " output can become a command of the shell that mlorch starts, a CI command, ANSI, HTML, SQL, a log line of ours or"
        " a path outside the root.",
        (
            "shell/test_shell_injection.py::test_no_value_is_executed",
            "shell/test_shell_running.py::test_hostile_values_arrive_in_every_context",
            "acceptance/test_accept_commands.py::test_values_reach_a_shell_as_they_are",
            "acceptance/test_accept_commands.py::test_where_a_value_would_become_shell_text_is_refused",
            "store/test_store_workspace.py::test_no_output_is_put_through_a_link_out_of_the_root",
            "hostile/test_hostile_paths.py",
            "hostile/test_hostile_injection.py",
            "hostile/test_hostile_sinks.py",
            "hostile/test_hostile_repository.py",
        ),
    ),
    Promise(
        13,
        "A secret's value appears in no log, database, key, report, alert, metric, file name or process title of ours, raw"
        " or in a common encoding.",
        (
            "acceptance/test_accept_params.py::test_a_secret_is_in_no_file_and_no_stream",
            "acceptance/test_accept_params.py::test_a_secret_in_metrics_or_in_a_file_name_fails_the_step",
            "faults/test_order.py::test_a_secret_in_an_exception_is_masked_in_json",
            "engine_processes/test_masker.py",
            "hostile/test_hostile_secrets.py",
        ),
    ),
    Promise(
        14,
        "mlorch never unpickles or evaluates anything that it reads from a store, a cache or a repository.",
        (
            "promises/test_promises.py::test_nothing_is_unpickled_or_evaluated",
            "store/test_store_serial.py::test_no_json_makes_reading_a_record_fail_in_another_way_than_value_error",
            "store/test_store_plans.py::test_a_key_that_a_clone_could_bring_is_not_used",
            "hostile/test_hostile_repository.py",
        ),
    ),
    Promise(
        15,
        "A file that mlorch did not make is never destroyed by it: it moves to `.mlorch/kept/`, which `gc` spares unless"
        " told `--kept`.",
        (
            "store/test_store_workspace.py::test_a_file_of_the_users_is_kept_bit_for_bit",
            "store/test_store_workspace.py::test_of_a_folder_only_what_mlorch_did_not_make_is_kept",
            "store/test_store_workspace.py::test_what_stood_at_an_in_place_output_comes_back_after_the_failure",
            "acceptance/test_accept_files.py::test_a_foreign_file_in_the_place_of_an_output_is_kept_bit_for_bit",
            "store/test_store_gc.py::test_leftovers_quarantine_and_on_request_what_was_kept",
        ),
    ),
)
