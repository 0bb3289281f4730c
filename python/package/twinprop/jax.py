"""Physical layers in JAX: the forward pass is measured, the backward pass is the twin's VJP.

Import this module before JAX computes anything: it switches off JAX's asynchronous dispatch on CPUs. With
that dispatch, an error of a device breaks all later measurements of the process, and a process with one CPU
hangs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback
from numpy.typing import NDArray

from .calibration import Twin, _JudgedTwin, check_twin
from .channels import Bank, normalisation
from .devices import Device, _FunctionDevice
from .errors import BusyError, DeviceError, ShapeError
from .own_twin.jax_twin import JaxTwin

__all__ = ["PhysicalFunction"]

Floats: TypeAlias = NDArray[np.float32]


def _dispatch_synchronously() -> None:
    config: Any = jax.config
    if not config.read("jax_cpu_enable_async_dispatch"):
        return
    config.update("jax_cpu_enable_async_dispatch", False)
    try:
        from jax._src.xla_bridge import backends_are_initialized
    except ImportError:  # It is not public, and only serves the warning.
        return
    if backends_are_initialized():
        warnings.warn(
            "JAX has computed before twinprop.jax was imported, and dispatches asynchronously: after an "
            "error of a device all later measurements fail, and a process with one CPU may hang; import "
            "twinprop.jax first",
            stacklevel=3,
        )


_dispatch_synchronously()


class PhysicalFunction:
    """A device as a function of JAX: `theta` and `x` `(B, shots · I)` to readings `(B, shots · O)`.

    Inputs and parameters are normalised: −1 and 1 are the ends of their channels' ranges, and so are the
    readings. What is beyond is clamped, where its gradient is zero; `penalty` pulls it back. Each of the
    `shots` of a sample has parameters of its own: `theta`, `(shots, P)`. `shared=True` gives all shots the
    same parameters, `(1, P)`.

    It works under `jax.jit`, `jax.grad`, `jax.vmap` and `jax.lax.scan`. Each call plays its shots once, in
    the order of the program; `jax.vmap` plays all samples and all settings of its axis in one measurement.
    Only first derivatives in reverse mode exist. `jax.checkpoint` is refused, as it would play the shots
    again.

    JAX may call the device on a thread of its own. A device that is a function of Python is therefore
    refused, unless `any_thread=True` says that it works on any thread.

    An error of the device is raised unchanged outside `jax.jit`. Inside, JAX raises
    `jax.errors.JaxRuntimeError` with its text, and `error` has the exception itself.

    >>> import jax, twinprop as tp
    >>> from twinprop.jax import PhysicalFunction
    >>> lab = tp.simulate("pendula", count=3, seed=1)
    >>> twin = tp.calibrate(lab, shots=100, test_shots=60, twin="physics", progress=False)
    >>> layer = PhysicalFunction(lab, twin, shots=2)
    >>> theta = layer.init(jax.random.key(0))
    >>> x = jax.numpy.zeros((4, 6))
    >>> jax.jit(layer)(theta, x).shape
    (4, 6)
    >>> jax.grad(lambda theta: layer(theta, x).sum() + layer.penalty(theta, x))(theta).shape
    (2, 5)
    """

    error: BaseException | None
    """What the device or the twin raised in the last call, if that failed."""

    def __init__(
        self,
        device: Device,
        twin: Twin,
        shots: int = 1,
        *,
        shared: bool = False,
        any_thread: bool = False,
    ) -> None:
        check_twin(twin, device)
        if isinstance(device, _FunctionDevice) and not any_thread:
            raise DeviceError(
                f"device `{device.name}` is a function of Python, and JAX may call it on a thread of its "
                "own, where many instruments' drivers fail; give any_thread=True if it works on any thread, "
                "or use twinprop.torch.PhysicalModule, which calls it on your thread"
            )
        self.device = device
        self.twin = twin
        self.shots = shots
        self.error = None
        self._settings = 1 if shared else shots
        interface = device.interface
        self._input_range = _range(interface.inputs)
        self._parameter_range = _range(interface.parameters)
        self._output_range = _range(interface.outputs)
        self._play = self._physical()

    def init(self, key: Any) -> jax.Array:
        """Parameters `theta` `(shots, P)`, uniform from −1 to 1; `key` is one of `jax.random`, or a seed."""
        if isinstance(key, int | np.integer):
            key = jax.random.key(key)
        shape = (self._settings, self.device.interface.n_parameters)
        return jax.random.uniform(key, shape, jnp.float32, -1, 1)

    def __call__(self, theta: Any, x: Any) -> jax.Array:
        """Plays `x` `(B, shots · I)` with `theta` `(shots, P)`: readings `(B, shots · O)`."""
        theta, x = self._checked(theta, x)
        batch, shots, interface = x.shape[0], self.shots, self.device.interface
        # All samples of a shot follow each other, as they share its parameters.
        drives = x.reshape(batch, shots, interface.n_inputs).swapaxes(0, 1)
        drives = drives.reshape(shots * batch, interface.n_inputs)
        (input_middle, input_half), (output_middle, output_half) = self._input_range, self._output_range
        drives = _clamped(drives) * input_half + input_middle
        readings: jax.Array = self._play(drives, self._in_units(_clamped(theta)))
        readings = (readings - output_middle) / output_half
        readings = readings.reshape(shots, batch, interface.n_outputs).swapaxes(0, 1)
        return readings.reshape(batch, shots * interface.n_outputs)

    def penalty(self, theta: Any, x: Any) -> jax.Array:
        """Range penalty: squares of how far drives, a sample, and parameters are out of range."""
        theta, x = self._checked(theta, x)
        return _beyond(x).sum() / max(len(x), 1) + _beyond(theta).sum()

    def settings(self, theta: Any) -> Floats:
        """Parameters `theta` in the device's units, `(shots, P)`."""
        settings: Floats = self._in_units(np.asarray(theta, np.float32).clip(-1, 1))
        return settings

    def __repr__(self) -> str:
        return f"<twinprop.jax.PhysicalFunction of {self.device!r}, shots={self.shots}>"

    def _in_units(self, theta: Any) -> Any:
        middle, half = self._parameter_range
        return theta * half + middle

    def _checked(self, theta: Any, x: Any) -> tuple[jax.Array, jax.Array]:
        theta, x = jnp.asarray(theta, jnp.float32), jnp.asarray(x, jnp.float32)
        interface = self.device.interface
        width = self.shots * interface.n_inputs
        if x.ndim != 2 or x.shape[1] != width:
            raise ShapeError(
                f"`x` has the shape {x.shape}, and (batch, {width}) is expected: "
                f"{self.shots} shots of {interface.n_inputs} inputs"
            )
        if theta.shape != (self._settings, interface.n_parameters):
            raise ShapeError(
                f"`theta` has the shape {theta.shape}, and {(self._settings, interface.n_parameters)} is "
                f"expected: {self._settings} settings of {interface.n_parameters} parameters"
            )
        return theta, x

    def _physical(self) -> Any:
        """`(x (S, I), theta (G, P)) -> y (S, O)` in the device's units, with the twin's VJP."""
        interface, twin = self.device.interface, self.twin
        # Made once: JAX compiles a callback that it has not seen.
        measure_on_host, vjp_on_host = self._on_host(self.device.measure), self._on_host(_vjp_of(twin))

        @_batched
        def measure(x: Any, theta: Any) -> Any:
            y = _floats(x.shape[0], interface.n_outputs)
            return io_callback(measure_on_host, y, x, theta, ordered=True)

        @_batched
        def pull(x: Any, theta: Any, y: Any, dy: Any) -> Any:
            if isinstance(twin, _JudgedTwin) and isinstance(twin.own, JaxTwin):
                # A callback may not compute with JAX.
                return _pull(twin.own, x, theta, dy)
            shapes = _floats(*x.shape), _floats(*theta.shape)
            return jax.pure_callback(vjp_on_host, shapes, x, theta, y, dy)

        @jax.custom_vjp
        def play(x: Any, theta: Any) -> Any:
            return self._unwrapped(measure, x, theta)

        def forward(x: Any, theta: Any) -> Any:
            y = self._unwrapped(measure, x, theta)
            return y, (x, theta, y)

        def backward(point: Any, dy: Any) -> Any:
            return self._unwrapped(pull, *point, dy)

        play.defvjp(forward, backward)
        return play

    def _on_host(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` on NumPy arrays of its own; `error` keeps what it raises."""

        def call(*arguments: Any) -> Any:
            try:
                return function(*(np.array(argument, np.float32) for argument in arguments))
            except BusyError as error:
                advice = "jax.pmap and jax.shard_map play on all of JAX's devices at once: use jax.vmap"
                self.error = BusyError(f"{error}. {advice}")
                raise self.error from None
            except BaseException as error:
                self.error = error
                raise

        return call

    def _unwrapped(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls `function`; outside `jax.jit` it raises what the device or the twin raised."""
        self.error = None
        try:
            return function(*arguments)
        except jax.errors.JaxRuntimeError:
            if self.error is None:
                raise
            raise self.error from None


def _floats(rows: int, columns: int) -> Any:
    """Type of a matrix in single precision."""
    struct: Any = jax.ShapeDtypeStruct
    return struct((rows, columns), jnp.float32)


def _range(banks: tuple[Bank, ...]) -> tuple[Floats, Floats]:
    """Middles and half widths of the channels' ranges, `(channels,)` each."""
    middle, half = normalisation(banks)
    return middle.astype(np.float32), half.astype(np.float32)


def _clamped(values: jax.Array) -> jax.Array:
    # `jnp.clip` halves the gradient at the ends, where a saturated tanh is.
    return jnp.where(jnp.abs(values) <= 1, values, jnp.sign(values))


def _beyond(values: jax.Array) -> jax.Array:
    return jnp.square(jnp.maximum(jnp.abs(values) - 1, 0))


def _batched(function: Callable[..., Any]) -> Any:
    """`function` of matrices, which `jax.vmap` calls once with the rows of its whole axis."""
    batched = jax.custom_batching.custom_vmap(function)

    @batched.def_vmap
    def rule(size: int, is_mapped: Any, *arguments: Any) -> Any:
        rows = [
            value if mapped else jnp.broadcast_to(value, (size, *value.shape))
            for value, mapped in zip(arguments, is_mapped, strict=True)
        ]
        # Shots are a multiple of settings, and remain so.
        found = batched(*(value.reshape(size * value.shape[1], value.shape[2]) for value in rows))
        apart = jax.tree.map(lambda value: value.reshape(size, len(value) // size, value.shape[1]), found)
        return apart, jax.tree.map(lambda _: True, found)

    return batched


def _vjp_of(twin: Twin) -> Callable[..., tuple[Floats, Floats]]:
    def vjp(x: Floats, theta: Floats, y: Floats, dy: Floats) -> tuple[Floats, Floats]:
        return twin.vjp(x, theta, dy, y)

    return vjp


def _pull(own: JaxTwin, x: Any, theta: Any, dy: Any) -> tuple[Any, Any]:
    """Cotangents of `x` `(S, I)` and `theta` `(G, P)` by a twin that is a function of JAX."""
    settings = theta.shape[0]
    run = x.shape[0] // settings
    dx, dtheta = own.pull(x, jnp.repeat(theta, run, 0), dy, own.constants)
    return dx, dtheta.reshape(settings, run, theta.shape[1]).sum(1)
