"""PyTorch's side of the predictive-coding benchmark: one training step of a digital network.

784-256-128-64-10 with tanh, batch 32, Adam, by fixed-prediction predictive coding (Rosenbaum 2022,
algorithm 2): predictions and Jacobians stay those of the forward pass, so its graph is kept for the
vector-Jacobian products of every sweep. Arguments: η and the number of sweeps.
"""

import sys

import torch

from timed import BATCH, answer

ETA, SWEEPS = float(sys.argv[1]), int(sys.argv[2])
WIDTHS = [784, 256, 128, 64, 10]

layers = [
    torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Tanh())
    if b != WIDTHS[-1]
    else torch.nn.Linear(a, b)
    for a, b in zip(WIDTHS, WIDTHS[1:])
]
parameters = [list(layer.parameters()) for layer in layers]
optimiser = torch.optim.Adam([one for layer in parameters for one in layer], lr=1e-4)
images, labels = torch.rand(BATCH, WIDTHS[0]), torch.arange(BATCH) % 10
depth = len(layers)


def step():
    values = [images]
    outputs = [images]
    for layer in layers:
        output = layer(values[-1])
        outputs.append(output)
        values.append(output.detach().requires_grad_())
    loss = torch.nn.functional.cross_entropy(values[-1], labels)
    errors = [torch.zeros_like(value) for value in values]
    (errors[depth],) = torch.autograd.grad(loss, values[-1])
    beliefs = [value.detach().clone() for value in values]
    predicted = [value.detach() for value in values]
    for _ in range(SWEEPS):
        for node in reversed(range(1, depth)):
            errors[node] = predicted[node] - beliefs[node]
            (down,) = torch.autograd.grad(
                outputs[node + 1], values[node], errors[node + 1], retain_graph=True
            )
            beliefs[node] += ETA * (errors[node] - down)
    for layer in range(depth):
        gradients = torch.autograd.grad(outputs[layer + 1], parameters[layer], errors[layer + 1])
        for parameter, gradient in zip(parameters[layer], gradients):
            parameter.grad = gradient
    optimiser.step()


answer(step=step)
