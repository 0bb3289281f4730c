"""Progress of long work, on the thread that waits for it."""

from __future__ import annotations

import importlib
import math
import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from html import escape
from types import TracebackType
from typing import Any, TypeAlias

__all__ = ["Progress", "Show"]

Show: TypeAlias = Callable[[str, int, int], object]
"""A function that is told of progress: `(label, done, total)`."""

EVERY = 0.1
"""Least time between two updates, in seconds."""
SETTLED = 2.0
"""Time before the time left is estimated, in seconds."""


class Progress(ABC):
    """Shows `(label, done, total)` until it is left. A `total` of zero is unknown."""

    @staticmethod
    def of(option: bool | Show) -> Progress:
        """Progress for the option `progress` of a function: shown, hidden, or sent to a function."""
        if callable(option):
            return _Sent(option)
        if not option:
            return _Hidden()
        if (display := _notebook()) is not None:
            return _Notebook(display)
        return _Terminal() if sys.stderr.isatty() else _Lines()

    @abstractmethod
    def __call__(self, label: str, done: int, total: int) -> None: ...

    def remove(self) -> None:
        """Removes what is shown."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()


class _Hidden(Progress):
    def __call__(self, label: str, done: int, total: int) -> None:
        pass


class _Sent(Progress):
    """Progress for a function of the caller."""

    def __init__(self, receive: Show) -> None:
        self._receive = receive

    def __call__(self, label: str, done: int, total: int) -> None:
        self._receive(label, done, total)


class _Lines(Progress):
    """A line for each label, for pipes and files."""

    _label = ""

    def __call__(self, label: str, done: int, total: int) -> None:
        if label != self._label:
            print(f"{label} …", file=sys.stderr, flush=True)
        self._label = label


class _Updated(Progress):
    """Progress that is overwritten, with the time left."""

    _label = ""
    _begun = (0.0, 0)
    """When the work began, and what was done by then."""
    _done = 0
    _shown = -math.inf

    def __call__(self, label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if label != self._label or done < self._done:
            self._label, self._begun, self._shown = label, (now, done), -math.inf
        self._done = done
        if now - self._shown >= EVERY or done == total:
            self._shown = now
            count = f": {done}/{total}" if total else ""
            self.show(f"{label}{count}{self._left(now, total)}", done, total)

    def _left(self, now: float, total: int) -> str:
        """The time left in words, if it is known."""
        took, steps = now - self._begun[0], self._done - self._begun[1]
        if took < SETTLED or steps <= 0 or self._done >= total:
            return ""
        seconds = took / steps * (total - self._done)
        for unit, size in (("s", 1), ("min", 60)):
            if seconds < 90 * size:
                return f", about {math.ceil(seconds / size)} {unit} left"
        return f", about {seconds / 3600:.1f} h left"

    @abstractmethod
    def show(self, text: str, done: int, total: int) -> None:
        """Shows `text` in the place of the last one."""


class _Terminal(_Updated):
    _width = 0

    def show(self, text: str, done: int, total: int) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]
        print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)

    def remove(self) -> None:
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)


class _Notebook(_Updated):
    """An output of the cell that is running."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._handle: Any = None

    def show(self, text: str, done: int, total: int) -> None:
        share = f' value="{done}" max="{total}"' if total else ""
        html = f'<label style="font-family:sans-serif"><progress{share}></progress> {escape(text)}</label>'
        self._update({"text/html": html, "text/plain": text})

    def _update(self, shown: dict[str, str]) -> None:
        if self._handle is None:
            self._handle = self._display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def remove(self) -> None:
        if self._handle is not None:
            self._update({"text/html": "", "text/plain": ""})


def _notebook() -> Any:
    """IPython's function `display` if the program runs in Jupyter."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    # A shell with a kernel is of a notebook; the one in a terminal has none.
    return importlib.import_module("IPython.display").display if hasattr(shell, "kernel") else None
