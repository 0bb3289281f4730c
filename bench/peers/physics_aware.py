"""Physics-aware training in PyTorch: layers with a forward pass on a device and a backward pass through its twin,
scales, the penalty on values out of range, and networks of layers of shots.
"""

import torch

from timed import BATCH, answer, compiled


class Layer:
    """Forward on the device, backward through the twin at the same drives; both are functions of (x, *parameters).

    With the option `--compiled`, `torch.compile` compiles both. It cannot compile a gradient inside a function's
    backward pass, and so no whole step.
    """

    def __init__(self, measure, predict):
        measure, predict = compiled(measure), compiled(predict)

        class PhysicsAware(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *drives):
                ctx.save_for_backward(*drives)
                return measure(*drives)

            @staticmethod
            def backward(ctx, cotangent):
                return Layer.vjp(predict, ctx.saved_tensors, cotangent)

        self.predict, self.apply = predict, PhysicsAware.apply

    def __call__(self, *drives):
        return self.apply(*drives)

    @staticmethod
    def vjp(predict, drives, cotangent):
        """Cotangents of the drives."""
        drives = [value.detach().requires_grad_() for value in drives]
        with torch.enable_grad():
            y = predict(*drives)
        return torch.autograd.grad(y, drives, cotangent)

    def vjp_at(self, *drives):
        """Returns a function that computes one vector-Jacobian product of the twin."""
        cotangent = torch.randn_like(self.predict(*drives))
        return lambda: Layer.vjp(self.predict, drives, cotangent)


def noisy(values, deviation):
    return values + deviation * torch.randn_like(values)


class Scale(torch.nn.Module):
    """Element-wise scale and offset from one width to another."""

    def __init__(self, width_in, width_out):
        super().__init__()
        self.place = torch.arange(width_out) * width_in // width_out
        self.factor = torch.nn.Parameter(torch.ones(width_out))
        self.offset = torch.nn.Parameter(torch.zeros(width_out))

    def forward(self, x):
        return x[:, self.place] * self.factor + self.offset


def outside(value):
    """The penalty on values out of range."""
    return torch.relu(value.abs() - 1).square().mean()


def readout(x, temperature, classes):
    """Logits: the mean of each class's readings; surplus readings are ignored."""
    window = x.shape[1] // classes
    return temperature.exp() * x[:, : classes * window].reshape(len(x), classes, window).mean(dim=2)


def serve(loss, trained, features, labels, **works):
    """Answers with the seconds of a step by Adam, of an epoch of all samples, or of one of the `works`."""
    optimiser = torch.optim.Adam(trained, lr=1e-4)

    def learn(chosen):
        optimiser.zero_grad()
        loss(features[chosen], labels[chosen]).backward()
        optimiser.step()

    def epoch():
        for chosen in torch.randperm(len(labels)).split(BATCH):
            learn(chosen)

    answer(step=lambda: learn(slice(BATCH)), epoch=epoch, **works)


def layers_of_shots(features, digital, scales, settings, device_layer, classes, **works):
    """Serves a network of an optional digital layer, then scales, with a layer of shots between each two scales."""
    temperature = torch.nn.Parameter(torch.tensor(0.0))
    labels = torch.arange(len(features)) % classes
    modules = [module for module in [digital, *scales] if module is not None]
    trained = [value for module in modules for value in module.parameters()] + settings + [temperature]

    def loss(x, labels):
        penalty = 0
        if digital is not None:
            x = digital(x)
        for scale, theta in zip(scales, settings):
            x = scale(x)
            penalty = penalty + outside(x) + outside(theta)
            x = device_layer(x, theta)
        logits = readout(scales[-1](x), temperature, classes)
        return torch.nn.functional.cross_entropy(logits, labels) + penalty

    x = torch.rand(BATCH, len(scales[0].place)) - 0.5
    serve(loss, trained, features, labels, vjp=device_layer.vjp_at(x, settings[0].detach()), **works)
