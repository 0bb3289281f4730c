"""PyTorch's side of the GPU benchmark, as `gpu_step.py KIND COUNT BATCH DEVICE [--compiled | --graph]`.

One physics-aware training step of a layer on a device with noise on drives and readings, its equation as twin; the first
ten readings are the classes; Adam. `--compiled` compiles device and twin by `torch.compile`; `--graph` records the whole
step as a CUDA graph and replays it.
"""

import sys

import torch

from gpu_equations import DEVICES
from physics_aware import Layer, noisy
from timed import answer

kind, count, batch, device = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.set_default_device(device)
width, parameters, respond = DEVICES[kind](count)
factor = torch.tensor(1.0).requires_grad_()
features, labels = 2 * torch.rand(batch, width) - 1, torch.randint(0, 10, (batch,))


def measure(x, *parameters):
    if kind == "lif_chip":
        # Its membranes have noise.
        return respond(x, *parameters)
    if kind == "oscillators":
        return respond(noisy(x, 0.02), *parameters)
    return noisy(respond(noisy(x, 0.01), *parameters), 0.01)


layer = Layer(measure, respond)
is_graph = "--graph" in sys.argv
optimiser = torch.optim.Adam([*parameters, factor], lr=1e-4, capturable=is_graph)


def step():
    optimiser.zero_grad(set_to_none=not is_graph)
    y = layer(features, *parameters)
    loss = torch.nn.functional.cross_entropy(factor * y[:, :10], labels)
    loss.backward()
    optimiser.step()
    return loss


if is_graph:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        recorded = step()

    def replay():
        graph.replay()
        recorded.item()

    answer(step=replay)
else:
    answer(step=lambda: step().item())
