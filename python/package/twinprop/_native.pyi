"""The Rust half of the package."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Device",
    "Twin",
    "calibrate",
    "evaluate",
    "judge",
    "load_twin",
    "main",
    "make_all_safe",
    "measure_design",
    "open_device",
    "parameters",
    "predict",
    "recalibrate",
    "simulate",
    "train",
    "transfer",
    "watch",
]

_Floats = NDArray[np.float32]

@final
class Device:
    def __new__(cls, function: Callable[..., Any], interface: str, each_shot: bool) -> Device: ...
    def measure(self, x: ArrayLike, theta: ArrayLike) -> _Floats: ...
    def probe(
        self, options: str, progress: Callable[[str, int, int], object] | None = None
    ) -> str: ...
    def make_safe(self) -> None: ...
    def mark_safe(self) -> None: ...
    @property
    def is_driven(self) -> bool: ...
    @property
    def interface(self) -> str: ...
    @property
    def shots(self) -> int: ...
    @property
    def clamped(self) -> int: ...

@final
class Twin:
    def predict(self, x: ArrayLike, theta: ArrayLike) -> _Floats: ...
    def vjp(
        self, x: ArrayLike, theta: ArrayLike, dy: ArrayLike, y: ArrayLike | None = None
    ) -> tuple[_Floats, _Floats]: ...
    def save(self, folder: str) -> None: ...
    @property
    def fidelity(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def config(self) -> str: ...
    @property
    def interface(self) -> str: ...

def calibrate(
    device: Device, options: str, progress: Callable[[str, int, int], object] | None = None
) -> Twin: ...
def measure_design(
    device: Device, options: str, progress: Callable[[str, int, int], object] | None = None
) -> tuple[_Floats, _Floats, _Floats]: ...
def judge(
    device: Device,
    predict: Callable[..., Any],
    vjp: Callable[..., Any],
    shots: tuple[ArrayLike, ArrayLike, ArrayLike],
    options: str,
    progress: Callable[[str, int, int], object] | None = None,
) -> tuple[str, str]: ...
def train(
    recipe: str | None,
    name: str,
    options: str,
    passed: dict[str, Any],
    listener: Callable[[str, str], bool],
    progress: Callable[[str, int, int], object] | None = None,
) -> str: ...
def parameters(folder: str) -> dict[str, _Floats]: ...
def predict(
    folder: str,
    x: NDArray[Any],
    is_measured: bool,
    passed: dict[str, Any],
    options: str,
    progress: Callable[[str, int, int], object] | None,
) -> tuple[list[str] | None, list[int], _Floats]: ...
def evaluate(
    folder: str,
    passed: dict[str, Any],
    options: str,
    progress: Callable[[str, int, int], object] | None,
) -> str: ...
def watch(folder: str, passed: dict[str, Any], options: str) -> str: ...
def recalibrate(
    folder: str,
    passed: dict[str, Any],
    options: str,
    shots: int,
    out: str | None,
    progress: Callable[[str, int, int], object] | None,
) -> str: ...
def transfer(
    folder: str,
    passed: dict[str, Any],
    options: str,
    shots: int,
    out: str | None,
    progress: Callable[[str, int, int], object] | None,
) -> str: ...
def load_twin(folder: str) -> Twin: ...
def open_device(targets: list[str]) -> Device: ...
def simulate(config: str, seed: int) -> Device: ...
def main(arguments: list[str]) -> int: ...
def make_all_safe() -> list[str]: ...
