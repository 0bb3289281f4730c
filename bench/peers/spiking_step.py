"""A training step of a recurrent spiking network in PyTorch: 700 lines, 700 neurons, 100 steps, batch 64, Adam.

The first argument is `lean`, a loop written for speed: one product for the input of all steps, one of recurrent weights a
step, surrogate gradient, reset without a gradient. Or it is a library whose recurrent neuron takes the loop's place:
`snntorch` (RSynaptic), `norse` (LIFRecurrentCell) or `spikingjelly` (LIFNode in a LinearRecurrentContainer).
"""

import sys

import torch
from torch.nn.functional import cross_entropy

from spike import SLOPE, Spike
from timed import answer, compiled

LINES, NEURONS, CLASSES, BATCH, STEPS = 700, 700, 20, 64, 100
DENSITY, START = 0.05, 0.105
TAU_M, TAU_S = 20.0, 5.0


def uniform(*shape):
    return ((2 * torch.rand(*shape) - 1) * START).requires_grad_()


def lean():
    w, r = uniform(LINES, NEURONS), uniform(NEURONS, NEURONS)

    def play(x):
        driven = x @ w
        v = torch.zeros(BATCH, NEURONS)
        p, s, counts = v, v, v
        for step in range(STEPS):
            p = (1 - 1 / TAU_S) * p + s @ r
            if step > 0:
                p = p + driven[step - 1]
            v = (1 - 1 / TAU_M) * v * (1 - s.detach()) + p / TAU_S
            s = Spike.apply(v - 1)
            counts = counts + s
        return counts

    return play, [w, r]


def snntorch():
    import snntorch
    from snntorch import surrogate

    w = torch.nn.Linear(LINES, NEURONS, bias=False)
    cell = snntorch.RSynaptic(
        alpha=1 - 1 / TAU_S, beta=1 - 1 / TAU_M, linear_features=NEURONS,
        spike_grad=surrogate.fast_sigmoid(SLOPE), reset_mechanism="zero",
    )
    with torch.no_grad():
        w.weight.uniform_(-START / TAU_S, START / TAU_S)
        cell.recurrent.weight.uniform_(-START / TAU_S, START / TAU_S)

    def play(x):
        s, i, v = cell.init_rsynaptic()
        counts = torch.zeros(BATCH, NEURONS)
        for step in range(STEPS):
            s, i, v = cell(w(x[step]), s, i, v)
            counts = counts + s
        return counts

    return play, [*w.parameters(), *cell.parameters()]


def norse():
    from norse.torch import LIFParameters
    from norse.torch.module.lif import LIFRecurrentCell

    cell = LIFRecurrentCell(
        LINES, NEURONS, autapses=True, dt=1e-3,
        p=LIFParameters(
            tau_syn_inv=torch.tensor(1e3 / TAU_S), tau_mem_inv=torch.tensor(1e3 / TAU_M),
            v_th=torch.tensor(1.0 / TAU_M), method="super", alpha=torch.tensor(SLOPE),
        ),
    )
    with torch.no_grad():
        for weights in cell.parameters():
            weights.uniform_(-START / TAU_S, START / TAU_S)

    def play(x):
        state, counts = None, torch.zeros(BATCH, NEURONS)
        for step in range(STEPS):
            s, state = cell(x[step], state)
            counts = counts + s
        return counts

    return play, list(cell.parameters())


def spikingjelly():
    from spikingjelly.activation_based import functional, layer, neuron, surrogate

    w = torch.nn.Linear(LINES, NEURONS, bias=False)
    node = neuron.LIFNode(
        tau=TAU_M, decay_input=False, v_reset=0.0, detach_reset=True, surrogate_function=surrogate.ATan()
    )
    cell = layer.LinearRecurrentContainer(node, NEURONS, NEURONS, bias=False)
    with torch.no_grad():
        w.weight.uniform_(-START, START)
        for weights in cell.parameters():
            weights.uniform_(-START, START)

    def play(x):
        functional.reset_net(cell)
        counts = torch.zeros(BATCH, NEURONS)
        for step in range(STEPS):
            counts = counts + cell(w(x[step]))
        return counts

    return play, [*w.parameters(), *cell.parameters()]


play, parameters = {"lean": lean, "snntorch": snntorch, "norse": norse, "spikingjelly": spikingjelly}[sys.argv[1]]()
play = compiled(play)
readout = uniform(NEURONS, CLASSES)
optimiser = torch.optim.Adam([*parameters, readout], 1e-6)
x = (torch.rand(STEPS, BATCH, LINES) < DENSITY).float()
labels = torch.randint(0, CLASSES, (BATCH,))


def step():
    optimiser.zero_grad()
    cross_entropy(play(x) @ readout, labels).backward()
    optimiser.step()


if "--rate" in sys.argv:
    with torch.no_grad():
        print(f"neurons fire in {100 * play(x).mean().item() / STEPS:.1f} % of the steps")
else:
    answer(step=step)
