"""A physical function of JAX measures forward and pulls back through the twin, also under `jit`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import twinprop as tp

pytest.importorskip("jax")
from twinprop.jax import PhysicalFunction  # noqa: E402  It must be imported before JAX computes.

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

QUICK: dict[str, Any] = {"shots": 400, "test_shots": 100, "seed": 2, "progress": False}


def make(seed: int = 1) -> tuple[tp.Device, tp.Twin]:
    device = tp.simulate("mzi_mesh", modes=4, seed=seed, imperfections={"mismatch": 0.05})
    twin = tp.calibrate(device, shots=100, test_shots=60, twin="physics", progress=False)
    return device, twin


def uniform(seed: int, *shape: int, end: float = 0.9) -> jax.Array:
    return jax.random.uniform(jax.random.key(seed), shape, jnp.float32, -end, end)


def sine_twin() -> tp.OwnTwin:
    """The equation of the fixture `lab`, in NumPy."""
    return tp.twin(lambda x, theta: 0.4 * np.sin(x * theta[:, :1]) + 0.1 * theta[:, 1:])


class ByHand:
    """A physical layer in NumPy, by the device and `Twin.vjp`."""

    def __init__(self, device: tp.Device, twin: tp.Twin, theta: Any) -> None:
        def halves(banks: tuple[tp.Bank, ...]) -> tuple[Any, Any]:
            ends = [(bank.minimum, bank.maximum) for bank in banks for _ in range(bank.count)]
            low, high = np.array(ends).T
            return (low + high) / 2, (high - low) / 2

        self.device, self.twin = device, twin
        i = device.interface
        (self.mx, self.hx), (mp, self.hp) = halves(i.inputs), halves(i.parameters)
        self.my, self.hy = halves(i.outputs)
        self.theta = np.asarray(theta) * self.hp + mp

    def forward(self, x: Any) -> Any:
        x = np.asarray(x)
        drives = [part * self.hx + self.mx for part in np.split(x, len(self.theta), 1)]
        self.points = [(d, t, self.device.measure(d, t)) for d, t in zip(drives, self.theta, strict=True)]
        return np.concatenate([(y - self.my) / self.hy for _, _, y in self.points], 1)

    def backward(self, dy: Any) -> tuple[Any, Any]:
        parts = np.split(dy, len(self.theta), 1)
        found = [
            self.twin.vjp(drives, theta, part / self.hy, readings)
            for (drives, theta, readings), part in zip(self.points, parts, strict=True)
        ]
        dx = np.concatenate([dx * self.hx for dx, _ in found], 1)
        return dx, np.concatenate([dtheta * self.hp for _, dtheta in found])


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_of_two_layers_are_the_chain_of_the_twins_vjps(compiled: bool) -> None:
    device, twin = make()
    i, o = device.interface.n_inputs, device.interface.n_outputs
    layer = PhysicalFunction(device, twin, shots=2)
    params = {
        "first": layer.init(3), "second": layer.init(jax.random.key(4)),
        "into": uniform(5, 2 * o, 2 * i) / 4, "out": uniform(6, 2 * o),
    }
    x = uniform(7, 5, 2 * i)

    def loss(params: Any, x: Any) -> Any:
        hidden = layer(params["first"], x) @ params["into"]
        return (layer(params["second"], hidden) @ params["out"]).sum()

    gradient: Any = jax.grad(loss, argnums=(0, 1))
    found, dx = (jax.jit(gradient) if compiled else gradient)(params, x)

    first, second = ByHand(device, twin, params["first"]), ByHand(device, twin, params["second"])
    readings = first.forward(x)
    assert (np.abs(readings @ params["into"]) < 1).all()
    deepest = second.forward(readings @ np.asarray(params["into"]))
    dhidden, dsecond = second.backward(np.tile(params["out"], (5, 1)))
    expected, dfirst = first.backward(dhidden @ np.asarray(params["into"]).T)
    for name, value in {
        "out": deepest.sum(0), "second": dsecond, "into": readings.T @ dhidden, "first": dfirst
    }.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(dx, expected, rtol=1e-5, atol=1e-5)


def test_a_compiled_call_plays_its_shots_once() -> None:
    device, twin = make()
    layer = PhysicalFunction(device, twin, shots=3)
    theta, x = layer.init(0), uniform(1, 5, 12)

    @jax.jit
    def step(theta: Any, x: Any) -> Any:
        return jax.value_and_grad(lambda theta: layer(theta, layer(theta, x)).sum())(theta)

    before = device.shots
    for calls in (1, 2):
        value, gradient = step(theta, x)
        assert gradient.shape == theta.shape and bool(jnp.isfinite(value))
        assert device.shots == before + calls * 2 * 15
    # Nothing uses these readings, and they are measured.
    jax.jit(lambda theta, x: (layer(theta, x), 0.0)[1])(theta, x)
    assert device.shots == before + 5 * 15

    def scanned(theta: Any) -> Any:
        return jax.lax.scan(lambda x, _: (layer(theta, x), None), x, None, length=4)[0].sum()

    jax.jit(jax.grad(scanned))(theta)
    assert device.shots == before + 9 * 15


def test_gradient_descent_learns() -> None:
    device, twin = make()
    i, o = device.interface.n_inputs, device.interface.n_outputs
    layer = PhysicalFunction(device, twin, shots=2)
    x = uniform(0, 128, 2, end=1)
    y = 2 * x[:, 0] * x[:, 1]
    params = {
        "theta": layer.init(0), "into": uniform(1, 2, 2 * i), "out": uniform(2, 2 * o),
        "offset": jnp.zeros(()),
    }

    @jax.jit
    def step(params: Any, x: Any, y: Any) -> Any:
        def loss(params: Any) -> Any:
            drives = jnp.tanh(x @ params["into"])
            readings = layer(params["theta"], drives)
            error = readings @ params["out"] + params["offset"] - y
            return jnp.square(error).mean() + layer.penalty(params["theta"], drives)

        value, slopes = jax.value_and_grad(loss)(params)
        return value, jax.tree.map(lambda p, g: p - 0.05 * g, params, slopes)

    losses = []
    for _ in range(150):
        value, params = step(params, x, y)
        losses.append(float(value))
    assert losses[-1] < 0.3 * losses[0], losses[::15]
    settings = layer.settings(params["theta"])
    ranges = device.interface.parameters[0]
    assert settings.shape == (2, 12) and (settings[:, 0] >= ranges.minimum).all()


def test_what_is_out_of_range_is_clamped_and_pulled_back_by_the_penalty() -> None:
    device, twin = make()
    layer = PhysicalFunction(device, twin, shots=2, shared=True)
    theta, x = layer.init(0), jnp.full((3, 8), 3.0).at[:, 0].set(0.5)
    assert theta.shape == (1, 12) and layer(theta, x).shape == (3, 8)
    np.testing.assert_allclose(layer(theta, x), layer(theta, jnp.clip(x, -1, 1)), atol=1e-6)
    assert float(layer.penalty(theta, x)) == pytest.approx(7 * 4)
    assert float(layer.penalty(theta.at[0, 0].set(-1.5), 0 * x)) == pytest.approx(0.25)
    slope = jax.grad(lambda x: layer(theta, x).sum())(x)
    assert (slope[:, 1:] == 0).all() and (slope[:, 0] != 0).all()
    # A saturated tanh is at the end, and keeps its gradient.
    ends = jax.jit(jax.grad(lambda x: layer(theta, x).sum()))(jnp.ones((3, 8)))
    inside = jax.grad(lambda x: layer(theta, x).sum())(jnp.full((3, 8), 0.9999))
    np.testing.assert_allclose(ends, inside, rtol=0.05, atol=1e-3)


def test_vmap_is_one_measurement() -> None:
    device, twin = make()
    layer = PhysicalFunction(device, twin, shots=2)
    theta, x = layer.init(0), uniform(1, 6, 3, 8)
    before = device.shots
    y = jax.jit(jax.vmap(layer, in_axes=(None, 0)))(theta, x)
    assert device.shots == before + 6 * 3 * 2
    for batch, readings in zip(x, y, strict=True):
        np.testing.assert_allclose(layer(theta, batch), readings, atol=1e-6)

    def loss(theta: Any, x: Any) -> Any:
        return jnp.square(layer(theta, x)).sum()

    several = jax.vmap(layer.init)(jax.random.split(jax.random.key(2), 6))
    for axes, at in (((None, 0), (theta, x)), ((0, None), (several, x[0])), ((0, 0), (several, x))):
        found = jax.vmap(jax.grad(loss, argnums=(0, 1)), in_axes=axes)(*at)
        for place in range(6):
            one = (value if axis is None else value[place] for value, axis in zip(at, axes, strict=True))
            expected = jax.grad(loss, argnums=(0, 1))(*one)
            for value, each in zip(expected, found, strict=True):
                np.testing.assert_allclose(each[place], value, rtol=1e-4, atol=1e-4)


def test_wrong_turns_are_named(lab: Any) -> None:
    device, twin = make()
    layer = PhysicalFunction(device, twin, shots=2)
    theta, x = layer.init(0), jnp.zeros((3, 8))
    with pytest.raises(tp.ShapeError, match=r"\(batch, 8\) is expected: 2 shots of 4 inputs"):
        jax.jit(layer)(theta, jnp.zeros((3, 7)))
    with pytest.raises(tp.ShapeError, match=r"`theta` has the shape \(12,\), and \(2, 12\) is expected"):
        layer(theta[0], x)
    with pytest.raises(tp.ShapeError, match="another device"):
        PhysicalFunction(tp.simulate("pendula"), twin)
    with pytest.raises(tp.DeviceError, match="any_thread=True if it works on any thread"):
        PhysicalFunction(lab, tp.calibrate(lab, twin=sine_twin(), **QUICK))
    with pytest.raises(NotImplementedError, match="checkpoint"):
        jax.grad(jax.checkpoint(lambda theta: layer(theta, x).sum()))(theta)
    with pytest.raises(ValueError, match="JVP"):
        jax.hessian(lambda theta: layer(theta, x).sum())(theta)


def test_a_function_of_python_with_a_twin_in_numpy_or_torch(lab: Any) -> None:
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x: Any, theta: Any) -> Any:
            return 0.4 * torch.sin(x * theta[:, :1]) + 0.1 * theta[:, 1:]

    found = []
    for model in (sine_twin(), tp.twin(Model())):
        layer = PhysicalFunction(lab, tp.calibrate(lab, twin=model, **QUICK), shots=2, any_thread=True)
        theta, x = layer.init(0), uniform(1, 40, 6)
        # This is large enough that XLA computes it on its threads.
        step = jax.jit(jax.grad(lambda theta, x: layer(theta, jnp.tile(x, (500, 1))).mean()))
        found.append(step(theta, x))
        assert layer.error is None
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_a_function_of_jax_is_a_twin(lab: Any) -> None:
    @jax.jit
    def equation(x: Any, theta: Any, c: Any) -> Any:
        return c["a"] * jnp.sin(x * theta[:, :1]) + c["more"]["b"] * theta[:, 1:]

    model = tp.twin(equation, constants={"a": 1, "more": {"b": 0.0}})
    twin = tp.calibrate(lab, twin=model, **QUICK)
    assert twin.fidelity.verdict == "fit" and twin.fidelity.r2[0] > 0.9999, twin
    assert float(model.constants["a"]) == pytest.approx(0.4, abs=1e-4)
    other = tp.calibrate(lab, twin=sine_twin(), **QUICK)
    x, theta, dy = np.full((4, 3), 0.3), [[1.0, 0.5], [2.0, 0.5]], np.arange(12.0).reshape(4, 3)
    for value, expected in zip(twin.vjp(x, theta, dy), other.vjp(x, theta, dy), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-3)

    # Its backward pass is part of the compiled program.
    layers = [PhysicalFunction(lab, twin, shots=2, any_thread=True) for twin in (twin, other)]
    knobs, drives = layers[0].init(0), uniform(1, 5, 6)
    found = []
    for layer in layers:
        slope: Any = jax.grad(lambda theta, x, layer=layer: jnp.square(layer(theta, x)).sum(), argnums=(0, 1))
        found.append(jax.jit(slope)(knobs, drives))
        jax.vmap(slope, in_axes=(None, 0))(knobs, drives[None])
    for value, expected in zip(*found, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-3)
    program = str(jax.make_jaxpr(jax.grad(lambda theta: layers[0](theta, drives).sum()))(knobs))
    assert "pure_callback" not in program and "io_callback" in program


@pytest.mark.parametrize(
    ("predict", "error", "message"),
    [
        (lambda x, theta, c: c["a"] * x[:, :1], tp.ShapeError, r"\(400, 1\), and \(400, 3\) is expected"),
        (lambda x, theta, c: c["a"] * x / 0, tp.DivergedError, "NaN or infinity with the constants"),
        (lambda x, theta, c: c["a"] * x * 1j, tp.DataError, "complex64, and an array of real numbers"),
    ],
)
def test_faults_of_a_function_of_jax_are_named(
    lab: Any, predict: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tp.calibrate(lab, twin=tp.twin(jax.jit(predict), constants={"a": 1.0}), **QUICK)
    with pytest.raises(tp.RecipeError, match="leave out vjp"):
        tp.twin(jax.jit(predict), vjp=predict)


class Broken(Exception):
    pass


def faulty() -> tuple[PhysicalFunction, dict[str, bool], set[int]]:
    state, threads = {"broken": False}, set[int]()

    @tp.device(inputs=tp.bank("x", 2, "V", -1, 1), outputs=tp.bank("y", 2, "V", -1, 1))
    def lab(x: Any, theta: Any) -> Any:
        threads.add(threading.get_ident())
        if state["broken"]:
            raise Broken("the laser is off")
        return x

    twin = tp.calibrate(lab, twin=tp.twin(lambda x, theta: x), **QUICK)
    threads.clear()
    return PhysicalFunction(lab, twin, any_thread=True), state, threads


def test_an_error_of_the_device_reaches_the_user_and_the_next_call_measures() -> None:
    layer, state, threads = faulty()
    theta = layer.init(0)
    small, large = uniform(0, 3, 2), uniform(1, 40_000, 2)
    compiled: Any = jax.jit(layer)
    slope: Any = jax.jit(jax.grad(lambda x: layer(theta, 2 * jnp.sin(x)).sum()))
    for x in (small, large):
        state["broken"] = True
        with pytest.raises(Broken, match="the laser is off"):
            layer(theta, x)
        with pytest.raises(Broken, match="the laser is off"):
            jax.grad(lambda x: layer(theta, x).sum())(x)
        for function in (lambda x: compiled(theta, x), slope):
            with pytest.raises(jax.errors.JaxRuntimeError, match="the laser is off"):
                np.asarray(function(x))
            assert isinstance(layer.error, Broken)
        state["broken"] = False
        np.testing.assert_allclose(compiled(theta, x), x, atol=1e-6)
        np.testing.assert_allclose(layer(theta, x), x, atol=1e-6)
        assert layer.error is None
    with pytest.raises(tp.DataError, match="NaN"):
        layer(theta, small * jnp.nan)
    assert threads


def test_an_error_of_the_twin_reaches_the_user() -> None:
    device, _ = make()
    model = tp.twin(lambda x, theta: 0 * x, vjp=lambda x, theta, dy: (0 * x, 0 * theta))
    twin = tp.calibrate(device, twin=model, **QUICK)

    def broken(*_: Any) -> Any:
        raise Broken("no gradient")

    setattr(model, "vjp", broken)
    layer = PhysicalFunction(device, twin)
    theta, x = layer.init(0), jnp.zeros((2, 4))
    gradient: Any = jax.grad(lambda theta: layer(theta, x).sum())
    with pytest.raises(Broken, match="no gradient"):
        gradient(theta)
    with pytest.raises(jax.errors.JaxRuntimeError, match="no gradient"):
        np.asarray(jax.jit(gradient)(theta))
    assert layer(theta, x).shape == (2, 4)


def run(text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=120,
        env={**os.environ, **environment},
    )


START = """
import os
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:{cpus}])
import time, numpy as np, twinprop as tp
from twinprop.jax import PhysicalFunction
import jax
state = {{"broken": False, "seconds": 0.0}}
@tp.device(inputs=tp.bank("x", 2, "V", -1, 1), parameters=tp.bank("p", 1, "V", -1, 1),
           outputs=tp.bank("y", 2, "V", -1, 1))
def lab(x, theta):
    if state["broken"]:
        raise OSError("the laser is off")
    time.sleep(state["seconds"])
    return x
model = tp.twin(lambda x, theta: x + 0 * theta)
twin = tp.calibrate(lab, twin=model, shots=100, test_shots=60, progress=False)
layer = PhysicalFunction(lab, twin, any_thread=True)
theta, x = layer.init(0), jax.numpy.zeros(({batch}, 2))
slope = jax.jit(jax.grad(lambda x: layer(theta, layer(theta, jax.numpy.sin(x))).sum()))
for _ in range(3):
    np.testing.assert_allclose(slope(x), 1, atol=1e-3)
print("played", flush=True)
"""


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("batch", [3, 100_000])
def test_python_ends_after_an_error(cpus: int, batch: int) -> None:
    text = START.format(cpus=cpus, batch=batch) + """
state["broken"] = True
np.asarray(slope(x))
"""
    done = run(text)
    assert done.stdout == "played\n" and done.returncode == 1, done
    assert "OSError: the laser is off" in done.stderr and "Exception ignored" not in done.stderr, done


def test_several_devices_of_jax_at_once_are_refused() -> None:
    text = START.format(cpus=2, batch=3) + """
state["seconds"] = 0.5
try:
    np.asarray(jax.pmap(lambda x: layer(theta, x))(jax.numpy.zeros((2, 3, 2))))
except jax.errors.JaxRuntimeError as error:
    assert "use jax.vmap" in str(error), error
    assert isinstance(layer.error, tp.BusyError)
    print("refused")
"""
    done = run(text, XLA_FLAGS="--xla_force_host_platform_device_count=2")
    assert done.stdout == "played\nrefused\n", done


def test_a_late_import_is_warned_of() -> None:
    text = "import jax; jax.numpy.zeros(3).block_until_ready(); import twinprop.jax"
    done = run(text)
    assert done.returncode == 0 and "import twinprop.jax first" in done.stderr, done
    done = run("import twinprop.jax, jax; jax.numpy.zeros(3)")
    assert done.returncode == 0 and not done.stderr, done
