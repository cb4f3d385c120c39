"""Families, scores and the choice: what to expect of them on the year's data, and what would be a leak."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy", reason="the extra `examples` is not installed here")
pytest.importorskip("pandas", reason="the extra `examples` is not installed here")
pytest.importorskip("sklearn", reason="the extra `examples` is not installed here")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from pipelines.flights import choose, evaluate, families, fit, predict, scores, tables  # noqa: E402


@pytest.fixture(scope="session")
def table(year: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("features") / "table.npz"
    tables.save(year.table, path)
    return path


def test_a_fold_learns_from_the_months_before_and_scores_the_month(table: Path, tmp_path: Path) -> None:
    scored = tmp_path / "scored.json"
    found = fit.fold(table, "tree", 5, 7, scored)
    assert json.loads(scored.read_text()) == found
    assert 0.70 < found["auc"] < 0.74
    assert found["brier"] < 0.19
    assert (found["family"], found["month"]) == ("tree", 5)


def test_a_fold_does_not_look_at_later_months(year: Any, tmp_path: Path) -> None:
    later = year.table["month"] > 5
    blanked = year.table.assign(late=year.table["late"].where(~later))
    tables.save(blanked, tmp_path / "blanked.npz")
    tables.save(year.table, tmp_path / "whole.npz")
    found = [
        fit.fold(tmp_path / name, "bayes", 5, 7, tmp_path / "scored.json")
        for name in ("blanked.npz", "whole.npz")
    ]
    assert found[0] == found[1]


def test_two_fits_of_a_family_are_the_same_bytes(year: Any, tmp_path: Path) -> None:
    import joblib

    rows = fit.flown(year.table).iloc[::40]
    for family in families.FAMILIES:
        for name in ("first", "second"):
            joblib.dump(fit.fitted(family, rows, 7), str(tmp_path / name))
        assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes(), family


def test_every_family_predicts_missing_weather_and_unheard_of_words(year: Any) -> None:
    rows = fit.flown(year.table).iloc[::40]
    asked = year.table.iloc[-5:].assign(dest="ZZZ", carrier="??", temp=float("nan"), number_rate=float("nan"))
    for family in families.FAMILIES:
        said = families.late_probability(fit.fitted(family, rows, 7), asked)
        assert ((said >= 0) & (said <= 1)).all(), family


def test_an_unknown_family_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown family 'svm': one of logistic, bayes"):
        families.make("svm", 1)


def test_the_plain_table_and_the_sure_sign_of_a_leak(year: Any) -> None:
    rows = year.flights[year.flights["late"].notna()]
    known, asked = rows[rows["month"] <= 10], rows[rows["month"] > 10]
    assert roc_auc_score(asked["late"], scores.rate_table(known, asked)) == pytest.approx(0.621, abs=0.005)
    assert roc_auc_score(asked["late"], asked["dep_delay"]) > 0.85


def test_the_table_falls_back_on_the_overall_rate(year: Any) -> None:
    known = fit.flown(year.table).iloc[:50_000]
    asked = known.iloc[:3].assign(carrier="??")
    assert scores.rate_table(known, asked) == pytest.approx(np.full(3, known["late"].mean()))


def test_brier_skill_is_one_for_the_truth_and_nothing_for_the_base_rate() -> None:
    late = np.array([0, 1, 1, 0, 0])
    assert scores.brier_skill(late, late.astype(float), 0.4) == 1.0
    assert scores.brier_skill(late, np.full(5, 0.4), 0.4) == pytest.approx(0.0)
    assert scores.brier_skill(late, 1.0 - late, 0.4) < 0


def fold_files(folder: Path, aucs: dict) -> list:
    """A file of scores for each family and AUC, in no order."""
    paths = []
    for family, values in aucs.items():
        for month, auc in enumerate(values):
            path = folder / f"{family}-{month}.json"
            scored = {"family": family, "month": month, "auc": auc}
            path.write_text(json.dumps({**scored, "average_precision": 0.5, "brier": 0.2, "log_loss": 0.6}))
            paths.append(path)
    random.Random(3).shuffle(paths)
    return paths


def test_the_highest_mean_is_chosen_and_the_spread_reported(tmp_path: Path) -> None:
    paths = fold_files(tmp_path, {"tree": [0.6, 0.8], "boosting": [0.72, 0.74], "logistic": [0.7, 0.7]})
    found = choose.choose(paths, tmp_path / "choice.json")
    assert found["family"] == "boosting"
    assert found["auc"] == pytest.approx(0.73)
    assert found["auc_sd"] == pytest.approx(0.0141421, abs=1e-6)
    choice = json.loads((tmp_path / "choice.json").read_text())
    assert [row["family"] for row in choice["families"]] == ["logistic", "tree", "boosting"]


def test_a_tie_goes_to_the_simpler_family(tmp_path: Path) -> None:
    paths = fold_files(
        tmp_path, {"boosting": [0.73005, 0.73], "logistic": [0.73, 0.73], "tree": [0.73, 0.73]}
    )
    assert choose.choose(paths, tmp_path / "choice.json")["family"] == "logistic"


def test_unequal_folds_are_refused(tmp_path: Path) -> None:
    paths = fold_files(tmp_path, {"tree": [0.7, 0.7], "forest": [0.9]})
    with pytest.raises(ValueError, match="different folds"):
        choose.choose(paths, tmp_path / "choice.json")
    assert not (tmp_path / "choice.json").exists()


@given(
    st.dictionaries(st.sampled_from(list(families.FAMILIES)), st.floats(0.5, 0.9), min_size=1), st.randoms()
)
def test_the_choice_does_not_depend_on_the_order(aucs: dict, order: random.Random) -> None:
    rows = [{"family": name, "auc": auc} for name, auc in aucs.items()]
    first = choose.best(rows)
    order.shuffle(rows)
    assert choose.best(rows) == first
    assert first["auc"] > max(aucs.values()) - 2 * choose.TIE


def test_the_holdout_is_scored_beside_the_table_and_kept_for_the_plots(table: Path, tmp_path: Path) -> None:
    (tmp_path / "choice.json").write_text('{"family": "tree"}')
    made = fit.refit(table, tmp_path / "choice.json", 7, tmp_path / "model.joblib")
    assert (made["family"], made["rows"]) == ("tree", 273_355)
    found = evaluate.evaluate(table, tmp_path / "model.joblib", tmp_path / "holdout.npz")
    assert found["rows"] == 53_991
    assert found["table_auc"] == pytest.approx(0.621, abs=0.005)
    assert found["table_auc"] < found["auc"] < 0.80
    with np.load(str(tmp_path / "holdout.npz")) as kept:
        assert len(kept["late"]) == 53_991
        assert roc_auc_score(kept["late"], kept["probability"]) == pytest.approx(found["auc"])
        assert kept["day"].min() == 304, "the holdout begins on 1 November"


def test_a_day_is_predicted_whole_cancelled_flights_among_it(year: Any, tmp_path: Path) -> None:
    import joblib

    model = tmp_path / "model.joblib"
    joblib.dump(fit.fitted("tree", fit.flown(year.table).iloc[::40], 7), str(model))
    day = year.table[(year.table["month"] == 12) & (year.table["day"] == 31)]
    answer = predict.predict(year.table, model, 12, 31)
    assert len(answer) == len(day) == 776
    assert day["late"].isna().any(), "the day has a cancelled flight"
    assert sorted(answer["flight"]) == sorted(day["number"])
    assert answer["late_probability"].between(0, 1).all()
    assert answer["late_probability"].is_monotonic_decreasing
    assert answer["scheduled"].str.match(r"^\d\d:\d\d$").all()
    with pytest.raises(ValueError, match="no flight is scheduled on 2013-02-30"):
        predict.predict(year.table, model, 2, 30)
