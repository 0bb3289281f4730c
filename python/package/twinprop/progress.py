"""Progress of long work, on the thread that waits for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

__all__ = ["Progress"]


class Progress:
    """Shows `(label, done, total)` as a line that is written over; a pipe gets a line for each label."""

    def __init__(self, show: Callable[[str, int, int], object] | None) -> None:
        self._show = show
        self._label = ""
        self._width = 0

    @staticmethod
    def of(option: bool | Callable[[str, int, int], object]) -> Progress:
        """Progress for the option `progress` of a function: shown, hidden, or sent to a function."""
        return Progress(option if callable(option) else None) if option else _Hidden(None)

    def __call__(self, label: str, done: int, total: int) -> None:
        if self._show is not None:
            self._show(label, done, total)
        elif sys.stderr.isatty():
            text = f"{label}: {done}/{total}"
            print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(text)
        elif label != self._label:
            print(f"{label} …", file=sys.stderr, flush=True)
        self._label = label

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)


class _Hidden(Progress):
    def __call__(self, label: str, done: int, total: int) -> None:
        pass
