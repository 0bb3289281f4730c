"""Exceptions of twinprop. All are subclasses of `TwinpropError`.

An exception of your own function, such as one of an instrument's driver, is raised unchanged.
"""

__all__ = [
    "BusyError",
    "CalibrationError",
    "DataError",
    "DeviceError",
    "DivergedError",
    "ForkError",
    "InternalError",
    "MeasurementError",
    "RecipeError",
    "RigError",
    "ShapeError",
    "TwinpropError",
]


class TwinpropError(Exception):
    """Any error of twinprop."""


class RecipeError(TwinpropError, ValueError):
    """An option or a recipe is wrong: the message names the key and the values that are possible."""


class DataError(TwinpropError, ValueError):
    """Values are unusable: NaN, infinite, or no real numbers."""


class ShapeError(TwinpropError, ValueError):
    """An array has the wrong shape; the message has the expected one."""


class DeviceError(TwinpropError):
    """A device cannot be used."""


class MeasurementError(DeviceError):
    """A device measured what its interface excludes: a wrong shape, NaN, or a value out of range."""


class RigError(DeviceError):
    """A real device or its link failed."""


class CalibrationError(TwinpropError):
    """A twin cannot be fitted, saved or loaded."""


class DivergedError(TwinpropError):
    """A fit or a training diverged."""


class BusyError(TwinpropError, RuntimeError):
    """A device is in use by another thread, or by the function that is running now."""


class ForkError(TwinpropError, RuntimeError):
    """A device was opened by the parent process; a connection does not survive a fork."""


class InternalError(TwinpropError, RuntimeError):
    """A fault in twinprop."""
