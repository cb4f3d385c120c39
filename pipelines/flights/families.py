"""The six model families, from the simplest to the most complex: each a pipeline with its own encoders.

Encoders and imputers stand inside, so that whatever they learn, they learn from the training rows alone.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, QuantileTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from pipelines.flights.schema import NUMBERS, WORDS

RARE = 500
"""Words on fewer training rows than this share one column."""


def spread() -> ColumnTransformer:
    """Scaled numbers and one column per word, for models that add up or measure distances."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=RARE, sparse_output=False, dtype="float32"
    )
    return ColumnTransformer([("numbers", numbers, list(NUMBERS)), ("words", words, list(WORDS))])


def bells() -> ColumnTransformer:
    """Numbers bent into normal distributions, which is what Gaussian naive Bayes takes them for."""
    bend = QuantileTransformer(
        output_distribution="normal", n_quantiles=200, subsample=20_000, random_state=0
    )
    numbers = make_pipeline(SimpleImputer(strategy="median"), bend)
    return ColumnTransformer([("numbers", numbers, list(NUMBERS))])


def ranked() -> ColumnTransformer:
    """Numbers as they are and words as whole numbers, for trees."""
    words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype="float32")
    numbers = SimpleImputer(strategy="median")
    return ColumnTransformer([("numbers", numbers, list(NUMBERS)), ("words", words, list(WORDS))])


def logistic(seed: int) -> Pipeline:
    return make_pipeline(spread(), LogisticRegression(C=0.5, max_iter=300, random_state=seed))


def bayes(seed: int) -> Pipeline:
    del seed  # nothing in it is random
    return make_pipeline(bells(), GaussianNB())


def tree(seed: int) -> Pipeline:
    return make_pipeline(
        ranked(), DecisionTreeClassifier(max_depth=8, min_samples_leaf=200, random_state=seed)
    )


def forest(seed: int) -> Pipeline:
    model = RandomForestClassifier(
        n_estimators=60, max_depth=14, min_samples_leaf=20, max_samples=0.5, n_jobs=1, random_state=seed
    )
    return make_pipeline(ranked(), model)


def boosting(seed: int) -> Pipeline:
    model = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.08, early_stopping=False, random_state=seed
    )
    return make_pipeline(ranked(), model)


def network(seed: int) -> Pipeline:
    model = MLPClassifier(hidden_layer_sizes=(32,), max_iter=8, batch_size=512, random_state=seed)
    return make_pipeline(spread(), model)


FAMILIES: Dict[str, Callable[[int], Pipeline]] = {
    "logistic": logistic,
    "bayes": bayes,
    "tree": tree,
    "network": network,
    "forest": forest,
    "boosting": boosting,
}
"""In order of complexity: among equals the first is chosen."""


def make(family: str, seed: int) -> Pipeline:
    """An unfitted model. Raises ValueError for a name that is not a family."""
    if family not in FAMILIES:
        raise ValueError("unknown family {!r}: one of {}".format(family, ", ".join(FAMILIES)))
    return FAMILIES[family](seed)


def columns() -> List[str]:
    """What a model is given, in this order."""
    return [*NUMBERS, *WORDS]


def late_probability(model: Any, rows: Any) -> Any:
    """The predicted probability of a late arrival for each row, float64."""
    return model.predict_proba(rows[columns()])[:, 1]
