"""Devices that several tests use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinprop as tp


@pytest.fixture
def lab() -> Any:
    """y = 0.4 sin(x θ₀) + 0.1 θ₁ on three channels, without noise."""

    @tp.device(
        inputs=tp.bank("drive", 3, "V", -1, 1),
        parameters=tp.bank("knob", 2, "V", 0, 2),
        outputs=tp.bank("reading", 3, "V", -1, 1),
    )
    def sine(x: Any, theta: Any) -> Any:
        return 0.4 * np.sin(x * theta[0]) + 0.1 * theta[1]

    return sine
