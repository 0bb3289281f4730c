"""The live view of running trainings, in the browser and in notebooks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

from .errors import RecipeError

__all__ = ["LiveView", "live"]

_ADDRESS = re.compile(r"http://\S+")


class LiveView:
    """The page of `twinprop watch`, which a process of its own serves on this computer.

    A notebook shows it in place. It goes on while the notebook trains: show it in a cell, and train in the next.
    """

    def __init__(self, folders: list[str], height: int) -> None:
        command = [sys.executable, "-m", "twinprop", "watch", *folders, "--listen", "127.0.0.1:0"]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._server.stdout is not None and self._server.stderr is not None
        line = self._server.stdout.readline()
        found = _ADDRESS.search(line)
        if found is None:
            _, errors = self._server.communicate()
            raise RecipeError(errors.strip().removeprefix("error: ") or "the live view does not start")
        self.url = found.group()
        """The page's address, for a browser on this computer."""
        self._height = height

    def close(self) -> None:
        """Ends the page; the trainings continue."""
        self._server.terminate()
        self._server.communicate()

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "url") and self._server.poll() is None:
            self.close()

    def __repr__(self) -> str:
        return f"<twinprop.LiveView {self.url}>"

    def _repr_html_(self) -> str:
        url = escape(self.url)
        return (
            f'<iframe src="{url}" title="live view" width="100%" height="{self._height}" '
            f'style="border:0"></iframe><p><a href="{url}" target="_blank">{url}</a></p>'
        )


def live(*folders: str | os.PathLike[str], height: int = 900) -> LiveView:
    """Shows the runs in `folders` while they train: folders of runs, or folders with runs in them.

    Without folders it shows those under `runs/`, where `run` and `twinprop train` write by default. `height` is the
    height in a notebook, in pixels. The page's Stop button writes a checkpoint and stops the run.

    >>> import tempfile, twinprop as tp
    >>> with tempfile.TemporaryDirectory() as folder, tp.live(folder) as view:
    ...     view.url.startswith("http://127.0.0.1:")
    True
    """
    names = [os.fspath(folder) for folder in folders]
    if not names:
        Path("runs").mkdir(exist_ok=True)
        names = ["runs"]
    return LiveView(names, height)
