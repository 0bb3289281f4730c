"""A step of physics-aware training of the coherent stack in PyTorch: three 64-mode meshes, batch 500, Adam.

Each column of interferometers is one batched product of 2 × 2 matrices with the rows of the mesh's unitary matrix; the
shots are one product with the whole matrix. The device has splitter and phase errors of 0.06; the twin is the nominal
equation, whose powers are replaced by the measured ones before the normalisation. With `--check FILE` it compares itself
with the reference values of FILE and ends.
"""

import json
import sys

import torch
from torch.nn.functional import cross_entropy, normalize

from timed import answer, compiled

BATCH, MODES, MESHES = 500, 64, 3
KEPT, HALF_GAIN, HALF_BIAS = 0.9**0.5, 0.025 * torch.pi, 0.5 * torch.pi


def splitter(e):
    """B(e), [..., 2, 2]."""
    through, across = torch.sqrt(0.5 * (1 + e)), 1j * torch.sqrt(0.5 * (1 - e))
    return torch.stack([through + 0j, across, across, through + 0j], -1).reshape(*e.shape, 2, 2)


def unitaries(theta, phi, gamma, splitters):
    """The matrices of all meshes, [meshes, modes, modes]; `theta` and `phi` [meshes, columns, pairs], with an unused last
    pair in odd columns, `gamma` [meshes, modes]."""
    left, right = splitters
    meshes, modes = gamma.shape
    one = torch.ones_like(theta)
    half, turn = torch.polar(one, 0.5 * theta), torch.polar(one, phi)
    inner = torch.stack([half, half.conj()], -1)
    outer = torch.stack([turn, one + 0j], -1)
    blocks = (outer.unsqueeze(-1) * right) @ (inner.unsqueeze(-1) * left)
    rows = torch.diag_embed(torch.polar(torch.ones_like(gamma), gamma))
    for column in range(modes):
        if column % 2 == 0:
            pairs = rows.view(meshes, modes // 2, 2, modes)
            rows = (blocks[:, column] @ pairs).reshape(meshes, modes, modes)
        else:
            pairs = rows[:, 1:-1].reshape(meshes, modes // 2 - 1, 2, modes)
            middle = (blocks[:, column, :-1] @ pairs).reshape(meshes, modes - 2, modes)
            rows = torch.cat([-1j * rows[:, :1], middle, -1j * rows[:, -1:]], 1)
    return rows


def power(z):
    return z.real.square() + z.imag.square()


def activation(z):
    psi = HALF_GAIN * power(z) + HALF_BIAS
    cosine, sine = torch.cos(psi), torch.sin(psi)
    return torch.complex(KEPT * cosine * cosine, -KEPT * cosine * sine) * z


def fields(x, phases, errors):
    """The fields behind each mesh; `phases` theta, phi and gamma of all meshes, `errors` splitters, of theta and of phi."""
    (theta, phi, gamma), (splitters, of_theta, of_phi) = phases, errors
    found = []
    for matrix in unitaries(theta + of_theta, phi + of_phi, gamma, splitters):
        z = activation(found[-1]) if found else x
        found.append(z @ matrix.T)
    return found


def errors_of(e_l, e_r, d_theta, d_phi):
    return (splitter(e_l), splitter(e_r)), d_theta, d_phi


def check(path):
    """Compares fields, outputs, loss and gradients of the 64-mode cases with reference values."""
    golden = json.load(open(path))
    for case in golden["cases"]:
        given = golden[f"inputs_{case['modes']}"]
        tensor = lambda value: torch.tensor(value, dtype=torch.float32)
        x = torch.complex(tensor(given["drives"]["re"]), tensor(given["drives"]["im"]))
        phases = [tensor(given[key]).requires_grad_() for key in ("theta", "phi", "gamma")]
        has = lambda part: float(case["case"] in ("errors", part))
        e_l, e_r = (tensor(given[key]) * has("splitters only") for key in ("e_l", "e_r"))
        d_theta, d_phi = (tensor(given[key]) * has("phases only") for key in ("d_theta", "d_phi"))
        found = fields(x, phases, errors_of(e_l, e_r, d_theta, d_phi))
        outputs = normalize(power(found[-1]), dim=1)
        loss = cross_entropy(outputs[:, : min(10, case["modes"])], torch.tensor(case["labels"]))
        loss.backward()
        off = {"outputs": (outputs - tensor(case["outputs"])).abs().max().item(), "loss": abs(loss.item() - case["loss"])}
        for mesh, field in enumerate(found):
            expected = case["fields"][2 * mesh]
            off[f"fields {mesh}"] = (field - torch.complex(tensor(expected["re"]), tensor(expected["im"]))).abs().max().item()
        gradient = 0.0
        for mesh, kind, column, pair, expected in case["gradient"]:
            of = phases[("theta", "phi", "gamma").index(kind)].grad[mesh]
            gradient = max(gradient, abs((of[pair] if kind == "gamma" else of[column, pair]).item() - expected))
        off["gradient"] = gradient
        print(case["modes"], case["case"], {key: f"{value:.1e}" for key, value in off.items()})
        assert max(off.values()) < 1e-4, off


if "--check" in sys.argv:
    check(sys.argv[sys.argv.index("--check") + 1])
    sys.exit()

shape = (MESHES, MODES, MODES // 2)
phases = [(torch.rand(size) * 6).requires_grad_() for size in (shape, shape, (MESHES, MODES))]
true = errors_of(*(0.06 * torch.randn(shape) for _ in range(4)))
nominal = errors_of(*(torch.zeros(shape) for _ in range(4)))
x = torch.randn(BATCH, MODES, dtype=torch.complex64) * (2 / torch.pi) ** 0.5
labels = torch.randint(0, 10, (BATCH,))
optimiser = torch.optim.Adam(phases, 1e-3)
device = compiled(lambda: power(fields(x, phases, true)[-1]))
twin = compiled(lambda: power(fields(x, phases, nominal)[-1]))


def step():
    with torch.no_grad():
        measured = device()
    predicted = twin()
    # The measured powers, with the twin's derivative.
    powers = predicted + (measured - predicted).detach()
    optimiser.zero_grad()
    cross_entropy(normalize(powers, dim=1)[:, :10], labels).backward()
    optimiser.step()


answer(step=step)
