"""A physical layer of PyTorch measures forward and pulls back through the twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinprop as tp

torch = pytest.importorskip("torch")
from twinprop.torch import PhysicalModule  # noqa: E402


def make(seed: int = 1) -> tuple[tp.Device, tp.Twin]:
    device = tp.simulate("pendula", count=4, seed=seed, imperfections={"mismatch": 0.05})
    twin = tp.calibrate(device, shots=100, test_shots=60, twin="physics", progress=False)
    return device, twin


def test_gradients_are_the_twins_vjp_at_the_measured_point() -> None:
    device, twin = make()
    layer = PhysicalModule(device, twin, shots=3)
    width = device.interface.n_inputs
    x = (1.8 * torch.rand(5, 3 * width) - 0.9).requires_grad_()
    y = layer(x)
    dy = torch.randn_like(y)
    y.backward(dy)

    assert x.grad is not None and layer.theta.grad is not None
    # The same by hand, shot by shot, in the device's units.
    def halves(banks: Any) -> tuple[Any, Any]:
        middle = [(b.minimum + b.maximum) / 2 for b in banks for _ in range(b.count)]
        half = [(b.maximum - b.minimum) / 2 for b in banks for _ in range(b.count)]
        return np.array(middle), np.array(half)

    (mx, hx), (mp, hp), (my, hy) = (
        halves(banks)
        for banks in (device.interface.inputs, device.interface.parameters, device.interface.outputs)
    )
    for shot in range(3):
        part = slice(shot * width, (shot + 1) * width)
        drives = x.detach().numpy()[:, part] * hx + mx
        theta = layer.theta.detach().numpy()[shot] * hp + mp
        readings = device.measure(drives, theta)
        outputs = slice(shot * len(my), (shot + 1) * len(my))
        np.testing.assert_allclose(y.detach().numpy()[:, outputs], (readings - my) / hy, atol=2e-5)
        dx, dtheta = twin.vjp(drives, theta, dy.numpy()[:, outputs] / hy, readings)
        np.testing.assert_allclose(x.grad.numpy()[:, part], dx * hx, atol=2e-5)
        np.testing.assert_allclose(layer.theta.grad.numpy()[shot], dtheta[0] * hp, atol=2e-4)


def test_a_network_with_two_physical_layers_learns_and_is_saved(tmp_path: Any) -> None:
    torch.manual_seed(0)
    device, twin = make()
    i, o = device.interface.n_inputs, device.interface.n_outputs
    first, second = PhysicalModule(device, twin, shots=2), PhysicalModule(device, twin, shots=2)
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 2 * i), torch.nn.Tanh(), first,
        torch.nn.BatchNorm1d(2 * o), torch.nn.Linear(2 * o, 2 * i), torch.nn.Tanh(), second,
        torch.nn.BatchNorm1d(2 * o), torch.nn.Linear(2 * o, 1),
    )
    x = 2 * torch.rand(256, 2) - 1
    y = 2 * x[:, 0] * x[:, 1]
    adam = torch.optim.AdamW(model.parameters(), lr=2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 80)
    before = first.theta.detach().clone()
    losses = []
    for _ in range(80):
        for xb, yb in zip(x.split(64), y.split(64)):
            adam.zero_grad()
            loss = torch.nn.functional.huber_loss(model(xb).squeeze(-1), yb)
            (loss + first.penalty() + second.penalty()).backward()
            adam.step()
            losses.append(float(loss.detach()))
        schedule.step()
    assert np.mean(losses[-4:]) < 0.3 * np.mean(losses[:4]), (losses[:4], losses[-4:])
    assert (first.theta.detach() != before).any()

    torch.save(model.state_dict(), tmp_path / "model.pt")
    assert not any("_half" in key for key in model.state_dict())
    other = PhysicalModule(device, twin, shots=2, seed=5)
    state = torch.load(tmp_path / "model.pt")
    other.load_state_dict({"theta": state["2.theta"]})
    np.testing.assert_array_equal(other.settings(), first.settings())
    ranges = device.interface.parameters[0]
    assert (first.settings()[:, 0] >= ranges.minimum).all()


def test_wrong_turns_are_named() -> None:
    device, twin = make()
    layer = PhysicalModule(device, twin, shots=2, shared=True)
    assert layer.theta.shape[0] == 1
    with pytest.raises(tp.ShapeError, match=r"\(batch, 8\) is expected: 2 shots of 4 inputs"):
        layer(torch.zeros(3, 7))
    other = tp.simulate("pendula", count=5)
    with pytest.raises(tp.ShapeError, match="another device"):
        PhysicalModule(other, twin)
    with torch.no_grad():
        assert layer(torch.zeros(2, 8)).shape == (2, 8)
    assert float(layer.penalty()) == 0.0
    layer(3 * torch.ones(2, 8))
    assert float(layer.penalty().detach()) == pytest.approx(8 * 4)
