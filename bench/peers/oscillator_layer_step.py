"""PyTorch's side of the GPU benchmark, as `oscillator_layer_step.py COUNT DEVICE [--compiled]`.

One physics-aware training step of a layer of oscillators, of which the first ten are the classes, on a noiseless
device with its equation as twin.
"""

import sys

import torch

from oscillator_step import evolve
from physics_aware import Layer, serve
from timed import BATCH

if __name__ == "__main__":
    count, device = int(sys.argv[1]), sys.argv[2]
    with torch.device(device):
        linear = torch.nn.Linear(count, count)
        factor = torch.nn.Parameter(torch.tensor(1.0))
        images, labels = torch.rand(BATCH, count), torch.randint(0, 10, (BATCH,))

    def nominal(q, free, e):
        return evolve(q, free, e, 1.0, None)

    oscillators = Layer(nominal, nominal)

    def loss(images, labels):
        q = oscillators(images, linear.weight, linear.bias)
        return torch.nn.functional.cross_entropy(factor * q[:, :10], labels)

    serve(loss, [linear.weight, linear.bias, factor], images, labels)
