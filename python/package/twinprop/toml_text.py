"""Values of Python as TOML, the text of a recipe."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import RecipeError

__all__ = ["document", "inline"]


def document(tables: Mapping[str, Any]) -> str:
    """`tables` as a TOML document."""
    return "".join(f"{_key(key)} = {inline(value, str(key))}\n" for key, value in tables.items())


def inline(value: Any, key: str = "recipe") -> str:
    """`value` as an inline value of TOML; `key` is for messages."""
    if isinstance(value, (bool, np.bool)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, (str, os.PathLike)):
        return json.dumps(os.fspath(value), ensure_ascii=False)
    if isinstance(value, Mapping):
        pairs = (f"{_key(k)} = {inline(v, f'{key}.{k}')}" for k, v in value.items() if v is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, (Sequence, np.ndarray)):
        return "[" + ", ".join(inline(item, key) for item in value) + "]"
    raise RecipeError(f"{key} is {type(value).__name__}; a recipe has numbers, text, lists and tables")


def _key(key: object) -> str:
    return json.dumps(str(key), ensure_ascii=False)
