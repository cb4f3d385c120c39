"""Questions about the past, asked of a real store that holds a few runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mlorch.errors import UsageError
from mlorch.history import resolve_run, select_runs, view_run
from mlorch.history.artifacts import find_artifact, list_artifacts
from mlorch.history.logs import Followed, Wanted, choose_steps, find_logs, tail
from mlorch.history.runs import duration, is_run, size
from mlorch.model import Event
from mlorch.settings import read_settings
from mlorch.store import open_store

NAN = {"$float": "nan"}


class Past:
    """Writes runs as the engine does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "mlorch.toml").write_text("")
        self.store = open_store(read_settings(str(root), {}), create=True)

    def output(self, path: str, text: str) -> dict:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        content = self.store.ingest(path)
        self.store.commit([])
        return {
            "path": path,
            "digest": content.digest,
            "bytes": content.bytes,
            "kind": "file",
            "stored": True,
        }

    def run(self, name: str, started: float, steps, status: str = "succeeded", **meta):
        log = self.store.begin_run(name)
        log.append(
            Event("run.started", started, name, data={"pipeline": "mlorch.yaml", "name": "demo", **meta})
        )
        totals = {}
        for instance, kind, data in steps:
            step = instance.split("@")[0]
            if kind not in ("step.cached", "step.skipped"):
                log.append(Event("step.started", started + 1, name, instance, step, {"attempt": 1}))
            if kind is not None:
                log.append(Event(kind, started + 2, name, instance, step, data))
                totals[data["outcome"]] = totals.get(data["outcome"], 0) + 1
            if "text" in data:
                log.write(f"{instance}.1.log", "first attempt\n")
                log.write(f"{instance}.2.log", data["text"])
        if status != "crashed":
            finished = {"status": status, "seconds": 5.0, "totals": totals}
            log.append(Event("run.finished", started + 5, name, data=finished))
        log.close()


@pytest.fixture
def past(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    past = Past(root)
    now = time.time()
    model = past.output("models/a.bin", "model a")
    train = {"outcome": "succeeded", "seconds": 3.5, "attempts": 2, "metrics": {"auc": 0.8, "loss": NAN}}
    past.run(
        "aa1111",
        now - 9 * 86400,
        [("train", "step.finished", {**train, "outputs": {"model": model}, "text": "epoch 1\nepoch 2\n"})],
        params={"depth": 3},
    )
    better = past.output("models/a.bin", "model b")
    past.run(
        "ab2222",
        now - 3600,
        [
            ("load", "step.cached", {"outcome": "cached", "saved": 2.0}),
            (
                "train",
                "step.finished",
                {**train, "outputs": {"model": better}, "metrics": {"auc": 0.9}, "text": "x"},
            ),
            (
                "evaluate",
                "step.finished",
                {"outcome": "failed", "error": "exit 1", "exit_code": 1, "text": "boom"},
            ),
        ],
        status="failed",
        params={"depth": 6},
    )
    folds = [
        (
            f"fit@{depth}-{fold}",
            "step.finished",
            {
                "outcome": "succeeded",
                "seconds": 1.0,
                "axes": {"depth": depth, "fold": fold},
                "metrics": {"auc": depth / 10 + fold / 100},
            },
        )
        for depth in (3, 6)
        for fold in (0, 1)
    ]
    past.run("b33333", now - 60, folds, params={"depth": 6})
    return past


# ------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "run"),
    [("last", "b33333"), ("last~0", "b33333"), ("last~2", "aa1111"), ("ab", "ab2222"), ("b", "b33333")],
)
def test_names_of_runs(past, name, run):
    assert resolve_run(past.store, name).id == run
    assert is_run(past.store, name)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("last~3", "there is no run `last~3`: 3 so far", "the oldest is `last~2`"),
        ("a", "`a` is the beginning of 2 runs", "one of ab2222, aa1111; give more letters"),
        ("ab2223", "no run begins with `ab2223`", "did you mean `ab2222`?"),
        ("", "no run begins with ``", "see `mlorch runs`"),
    ],
)
def test_names_that_mean_no_run(past, name, message, hint):
    with pytest.raises(UsageError) as caught:
        resolve_run(past.store, name)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_no_run_yet(tmp_path):
    store = open_store(read_settings(str(tmp_path), {}), create=False)
    with pytest.raises(UsageError) as caught:
        resolve_run(store)
    assert caught.value.message == "no run yet"
    assert not (tmp_path / ".mlorch").exists()


# ---------------------------------------------------------------------------------------------- filters


def test_filters_count_before_the_limit(past):
    def ids(**filters):
        return [run.id for run in select_runs(past.store, **filters)]

    assert ids() == ["b33333", "ab2222", "aa1111"]
    assert ids(limit=1) == ["b33333"]
    assert ids(limit=0) == []
    assert ids(statuses=["failed"], limit=1) == ["ab2222"]
    assert ids(after=time.time() - 7 * 86400) == ["b33333", "ab2222"]
    with pytest.raises(UsageError) as caught:
        ids(statuses=["faild"])
    assert caught.value.hint == "did you mean `failed`?"


def test_a_run_that_ended_without_a_word_is_crashed(past):
    past.run("c44444", time.time(), [("train", None, {})], status="crashed")
    info = resolve_run(past.store)
    assert (info.status, info.seconds) == ("crashed", None)
    assert view_run(past.store, info).steps[0].outcome == "running"


@pytest.mark.parametrize(("text", "seconds"), [("7d", 604800), ("90", 90), ("1h30m", 5400), ("2w", 1209600)])
def test_durations(text, seconds):
    assert duration(text, "--since") == seconds


@pytest.mark.parametrize(("text", "count"), [("10GB", 10**10), ("512MiB", 512 << 20), ("77", 77)])
def test_sizes(text, count):
    assert size(text, "--max-size") == count


@pytest.mark.parametrize("text", ["", "7 days", "-1", "1e3d", "d"])
def test_bad_durations_and_sizes_name_their_option(text):
    with pytest.raises(UsageError, match="--since"):
        duration(text, "--since")
    with pytest.raises(UsageError, match="--max-size"):
        size(text, "--max-size")


# ------------------------------------------------------------------------------------------------- view


def test_a_run_is_put_together_from_its_events(past):
    view = view_run(past.store, resolve_run(past.store, "last~1"))
    assert [(step.instance, step.outcome) for step in view.steps] == [
        ("load", "cached"),
        ("train", "succeeded"),
        ("evaluate", "failed"),
    ]
    train = view.step("train")[0]
    assert (train.seconds, train.attempts, train.metrics) == (3.5, 2, {"auc": 0.9})
    assert view.info.meta["params"] == {"depth": 6}
    first = view_run(past.store, resolve_run(past.store, "aa")).step("train")[0]
    assert first.metrics["loss"] != first.metrics["loss"]


# ------------------------------------------------------------------------------------------------- logs


def logs(past, run="ab", step=None, failed=False, attempt=None):
    view = view_run(past.store, resolve_run(past.store, run))
    found = find_logs(past.store, view, choose_steps(view, step, failed), attempt)
    return [(log.instance, log.attempt, Path(log.path).read_text()) for log in found]


def test_logs_of_a_run(past):
    assert logs(past) == [("train", 2, "x"), ("evaluate", 2, "boom")]
    assert logs(past, step="train", attempt=1) == [("train", 1, "first attempt\n")]
    assert [number for _, number, _ in logs(past, step="train", attempt=0)] == [1, 2]
    assert logs(past, failed=True) == [("evaluate", 2, "boom")]
    assert logs(past, step="train", failed=True) == []
    assert logs(past, step="load") == []


def test_the_log_of_a_cached_step_is_that_of_the_run_that_made_it(past):
    data = {"outcome": "cached", "log": ".mlorch/runs/aa1111/train.2.log"}
    past.run("d55555", time.time(), [("train", "step.cached", data)])
    assert logs(past, run="d5") == [("train", 2, "epoch 1\nepoch 2\n")]


def test_an_unknown_step_gets_a_hint(past):
    with pytest.raises(UsageError) as caught:
        logs(past, step="trian")
    assert caught.value.hint == "did you mean `train`?"


@pytest.mark.parametrize(
    ("text", "lines", "expected"),
    [
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nc", 2, "b\nc"),
        ("a\nb\nc\n", 0, ""),
        ("a\nb\n", 9, "a\nb\n"),
        ("", 3, ""),
        ("\n\n\n", 2, "\n\n"),
        ("a\n" * 100000, 99999, "a\n" * 99999),
        ("x" * 200000 + "\nend\n", 1, "end\n"),
        ("a\nb\n", None, "a\nb\n"),
    ],
)
def test_the_last_lines_of_a_log(tmp_path, text, lines, expected):
    path = tmp_path / "log"
    path.write_text(text)
    assert b"".join(tail(str(path), lines)).decode() == expected


def test_what_is_followed_comes_once_and_only_from_the_run_itself(past):
    cached = {"outcome": "cached", "log": ".mlorch/runs/aa1111/train.2.log"}
    past.run(
        "d55555", time.time(), [("train", "step.cached", cached), ("load", None, {"outcome": "running"})]
    )
    log = Path(past.store.path, "runs", "d55555", "load.1.log")
    log.write_text("old\nlast\n")
    view = view_run(past.store, resolve_run(past.store, "d5"))
    followed, one = Followed(past.store, Wanted(lines=1)), Followed(past.store, Wanted("train"))
    assert [(made.instance, chunk) for made, chunk in followed.more(view)] == [("load", b"last\n")]
    assert list(followed.more(view)) == []
    with log.open("a") as file:
        file.write("more\n")
    assert [(made.instance, chunk) for made, chunk in followed.more(view)] == [("load", b"more\n")]
    assert [(made.run, made.earlier) for made, _ in one.more(view)] == [("aa1111", True)]
    assert list(Followed(past.store, Wanted("later")).more(view)) == []


# -------------------------------------------------------------------------------------------- artifacts


def test_artifacts_of_a_run(past):
    view = view_run(past.store, resolve_run(past.store, "ab"))
    made = list_artifacts(past.store, view)
    assert [(item.name, item.output.path, item.available) for item in made] == [
        ("train/model", "models/a.bin", True)
    ]
    assert list_artifacts(past.store, view, "load") == []
    with pytest.raises(UsageError):
        list_artifacts(past.store, view, "nothing")


def test_an_artifact_by_name_is_the_newest_one(past):
    newest = find_artifact(past.store, "train/model")
    assert newest.run == "ab2222"
    assert past.store.read(newest.output.digest) == b"model b"
    older = find_artifact(past.store, "train/model", resolve_run(past.store, "aa"))
    assert past.store.read(older.output.digest) == b"model a"
    for name in (older.output.digest, older.output.digest[:20], older.output.digest[7:19]):
        assert find_artifact(past.store, name).output.digest == older.output.digest


def test_an_artifact_by_its_path_or_by_its_name_alone(past):
    for name in ("models/a.bin", "./models/a.bin", "model"):
        assert find_artifact(past.store, name).run == "ab2222"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("train", "there is no artifact `train` in any run", "one of train/model"),
        ("train/modle", "there is no artifact `train/modle` in any run", "did you mean `train/model`?"),
        (
            "0000000",
            "there is no artifact `0000000` in any run",
            "write STEP/OUTPUT, a path or a digest; see `mlorch artifacts`",
        ),
    ],
)
def test_names_of_no_artifact(past, name, message, hint):
    with pytest.raises(UsageError) as caught:
        find_artifact(past.store, name)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_an_artifact_whose_object_is_gone_is_told(past):
    view = view_run(past.store, resolve_run(past.store, "ab"))
    digest = list_artifacts(past.store, view)[0].output.digest[7:]
    os.remove(os.path.join(past.store.path, "objects", digest[:2], digest[2:]))
    assert not list_artifacts(past.store, view)[0].available
