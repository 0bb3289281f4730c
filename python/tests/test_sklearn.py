"""Estimators keep scikit-learn's contract; what a device cannot do is listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinprop as tp

pytest.importorskip("sklearn")
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import estimator_checks_generator  # noqa: E402

from twinprop.sklearn import PhysicalClassifier, PhysicalRegressor  # noqa: E402

EXPECTED = {
    "check_parameters_default_constructible": "a device has no default",
}


def make(kind: Any, **options: Any) -> Any:
    device = tp.simulate("pendula", count=4, seed=1, imperfections={"mismatch": 0.05})
    return kind(device, twin="physics", **options)


QUICK: dict[str, Any] = {"layers": 1, "epochs": 40, "calibration_shots": 200, "learning_rate": 0.05}


@pytest.mark.parametrize("kind", [PhysicalClassifier, PhysicalRegressor])
def test_the_contract_of_estimators(kind: Any) -> None:
    failed = []
    estimator = make(kind, **QUICK)
    for instance, check in estimator_checks_generator(estimator):
        name = check.func.__name__
        try:
            check(instance)
        except (Exception, pytest.skip.Exception) as error:
            if name not in EXPECTED and "Skip" not in type(error).__name__:
                failed.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")
    assert not failed, "\n".join(failed)


def test_a_pipeline_is_cross_validated() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(240, 4))
    y = np.where(x[:, 0] + x[:, 1] > 0, "up", "down")
    model = make_pipeline(StandardScaler(), make(PhysicalClassifier, **QUICK))
    scores = cross_val_score(model, x, y, cv=3)
    assert scores.mean() > 0.85, scores
