"""The digits pipeline's functions, driven as the pipeline drives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

np = pytest.importorskip("numpy", reason="the extra `examples` is not installed here")
pytest.importorskip("sklearn", reason="the extra `examples` is not installed here")

from pipelines.digits import data, evaluate, fit  # noqa: E402


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("digits")
    data.split(7, folder / "training.npz", folder / "holdout.npz")
    return folder


def test_the_parts_share_no_row_and_lose_none(parts: Path) -> None:
    (seen, _), (kept, labels) = (data.load(parts / name) for name in ("training.npz", "holdout.npz"))
    assert len(seen) + len(kept) == 1_797
    assert not {row.tobytes() for row in seen} & {row.tobytes() for row in kept}
    assert np.bincount(labels).min() >= 43, "each digit has its share"


def test_another_seed_makes_other_parts_and_the_same_seed_the_same_bytes(parts: Path, tmp_path: Path) -> None:
    for seed, same in ((7, True), (8, False)):
        data.split(seed, tmp_path / "training.npz", tmp_path / "holdout.npz")
        assert ((tmp_path / "holdout.npz").read_bytes() == (parts / "holdout.npz").read_bytes()) is same


def test_the_widths_lie_around_what_the_data_suggest(parts: Path, tmp_path: Path) -> None:
    data.widths(parts / "training.npz", [0.25, 1, 4], tmp_path / "gammas.json")
    narrow, middle, wide = json.loads((tmp_path / "gammas.json").read_text())
    pixels, _ = data.load(parts / "training.npz")
    assert middle == pytest.approx(1 / (64 * pixels.var()), rel=0.01)
    assert narrow == pytest.approx(middle / 4, rel=0.01)
    assert wide == pytest.approx(middle * 4, rel=0.01)


def test_the_folds_ask_for_each_row_once() -> None:
    labels = np.arange(103) % 10
    asked = [fit.parts(labels, 4, fold, 7) for fold in range(4)]
    assert sorted(np.concatenate([each for _, each in asked])) == list(range(103))
    for seen, each in asked:
        assert not set(seen) & set(each)
        assert len(seen) + len(each) == 103


def test_the_best_mean_wins_and_a_tie_goes_to_the_smoothest(tmp_path: Path) -> None:
    paths = []
    settings = {
        (1, 0.2): [0.9, 0.8],
        (10, 0.1): [0.95, 0.97],
        (10, 0.2): [0.97, 0.95],
        (1, 0.3): [0.96, 0.96],
    }
    for (cost, gamma), accuracies in settings.items():
        for accuracy in accuracies:
            path = tmp_path / f"{len(paths)}.json"
            path.write_text(json.dumps({"cost": cost, "gamma": gamma, "accuracy": accuracy}))
            paths.append(path)
    found = fit.choose(paths[::-1], tmp_path / "setting.json")
    assert (found["settings"], found["cost"], found["gamma"]) == (4, 1, 0.3)
    assert json.loads((tmp_path / "setting.json").read_text()) == {"cost": 1, "gamma": 0.3}


def test_from_a_setting_to_the_gate(parts: Path, tmp_path: Path) -> None:
    scored = fit.score(parts / "training.npz", 0.1, 10, 0, 4, 7, tmp_path / "scored.json")
    assert scored == json.loads((tmp_path / "scored.json").read_text())
    found = fit.choose([tmp_path / "scored.json"], tmp_path / "setting.json")
    assert found["accuracy"] == scored["accuracy"] > 0.96
    model, history = tmp_path / "model.joblib", tmp_path / "history.jsonl"
    fit.train(parts / "training.npz", tmp_path / "setting.json", 4, 7, model, history)
    points = [json.loads(line) for line in history.read_text().splitlines()]
    assert [point["epoch"] for point in points] == list(range(1, len(points) + 1))
    assert points[-1]["accuracy"] > points[0]["accuracy"]
    assert points[-1]["rows"] == len(fit.parts(data.load(parts / "training.npz")[1], 4, 0, 7)[0])
    scores = evaluate.evaluate(model, parts / "holdout.npz", tmp_path / "confusion.csv")
    assert scores["accuracy"] >= 0.98
    assert 0.09 < scores["dummy_accuracy"] < 0.12
    rows = [line.split(",") for line in (tmp_path / "confusion.csv").read_text().splitlines()][1:]
    wrong = sum(
        int(cell) for digit, row in enumerate(rows) for said, cell in enumerate(row[1:]) if said != digit
    )
    assert wrong == scores["mistakes"] == round(450 * (1 - scores["accuracy"]))
