"""A module of PyTorch as a twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import DataError, DivergedError
from ..progress import Show
from .model import Floats, OwnTwin, check_shape, finite

__all__ = ["TorchTwin"]


class TorchTwin(OwnTwin):
    """A module: autograd is its gradient, its parameters are its constants."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.constants = {}

    def _tensor(self, values: Floats) -> Any:
        """`values` where the module's parameters are, in their precision."""
        import torch

        tensor = torch.from_numpy(np.require(values, requirements=("C", "W")))
        parameter = next(self.module.parameters(), tensor)
        return tensor.to(parameter.device, parameter.dtype.to_real())

    def _at(self, x: Any, theta: Any) -> Any:
        """Readings `(S, O)`, checked to be real numbers."""
        import torch

        y = self.module(x, theta)
        if not isinstance(y, torch.Tensor) or not y.is_floating_point():
            kind = y.dtype if isinstance(y, torch.Tensor) else type(y).__name__
            raise DataError(f"the twin's module returns {kind}, and a tensor of real numbers is expected")
        if torch.is_grad_enabled() and not y.requires_grad:
            raise DataError(
                "the twin's module returns a tensor without a gradient; leave out torch.no_grad, detach and "
                "NumPy in it"
            )
        return y

    def predict(self, x: Floats, theta: Floats) -> ArrayLike:
        import torch

        with torch.no_grad():
            y = self._at(self._tensor(x), self._tensor(theta))
        return finite(y.to("cpu", torch.float32).numpy(), "readings")

    def vjp(self, x: Floats, theta: Floats, dy: Floats) -> tuple[ArrayLike, ArrayLike]:
        import torch

        at = [self._tensor(values).detach().requires_grad_() for values in (x, theta)]
        with torch.enable_grad():
            y = self._at(*at)
        check_shape(y, dy)
        found = torch.autograd.grad(y, at, self._tensor(dy).to(y.device, y.dtype), allow_unused=True)
        dx, dtheta = (
            torch.zeros_like(value) if gradient is None else gradient
            for gradient, value in zip(found, at, strict=True)
        )
        return (
            finite(dx.to("cpu", torch.float32).numpy(), "gradients"),
            finite(dtheta.to("cpu", torch.float32).numpy(), "gradients"),
        )

    def learn(
        self, x: Floats, theta: Floats, y: Floats, options: Mapping[str, Any], seed: int, show: Show
    ) -> None:
        """Adam with a cosine schedule on nine tenths of the shots; the best epoch on the rest is kept."""
        import torch

        self.module.eval()
        trained = [p for p in self.module.parameters() if p.requires_grad]
        if not trained:
            return
        epochs = int(options.get("epochs", 40))
        batch = int(options.get("batch", 64))
        adam = torch.optim.Adam(trained, lr=float(options.get("learning_rate", 1e-2)))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, epochs)
        at = [self._tensor(values) for values in (x, theta, y)]
        unit = at[2].std(0).clamp(min=torch.finfo(at[2].dtype).tiny)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(x), generator=generator)
        held = max(1, len(x) // 10)
        unseen, seen = order[:held], order[held:]

        def error(rows: Any) -> Any:
            x, theta, y = (values[rows] for values in at)
            predicted = self._at(x, theta)
            check_shape(predicted, y)
            return ((predicted - y) / unit).square().mean()

        def error_of_unseen() -> float:
            self.module.eval()
            with torch.no_grad():
                return float(error(unseen))

        if not np.isfinite(error_of_unseen()):
            raise DivergedError("the twin predicts NaN or infinity with the parameters that it starts from")
        best, state = float("inf"), None
        for epoch in range(epochs):
            show("learn the constants", epoch + 1, epochs)
            self.module.train()
            shuffled = seen[torch.randperm(len(seen), generator=generator)]
            for first in range(0, len(seen), batch):
                rows = shuffled[first : first + batch]
                adam.zero_grad()
                error(rows).backward()
                adam.step()
            schedule.step()
            now = error_of_unseen()
            if now < best:
                best = now
                state = {name: value.clone() for name, value in self.module.state_dict().items()}
        if state is None:
            raise DivergedError("the twin's error is NaN; lower fit={'learning_rate': …}")
        self.module.load_state_dict(state)
