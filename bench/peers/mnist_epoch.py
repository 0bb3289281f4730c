"""PyTorch's side of the memory comparison: an epoch of the MNIST oscillators, from MNIST's files to the test.

196 oscillators, then 206 of which the last ten are the classes; images kept as bytes, and rotated, shifted and scaled
batch by batch, with every second pixel of every second row; batch 32, Adam. Argument: the folder with MNIST's files.
Prints the peak resident memory in bytes.
"""

import gzip
import resource
import sys
from pathlib import Path

import torch

from oscillator_step import evolve, factor, layers, parameters
from timed import BATCH

optimiser = torch.optim.Adam(parameters)


def array(name, header):
    folder = Path(sys.argv[1])
    plain, zipped = folder / name, folder / (name + ".gz")
    data = plain.read_bytes() if plain.exists() else gzip.open(zipped).read()
    return torch.frombuffer(bytearray(data[header:]), dtype=torch.uint8)


def dataset(part):
    images = array(f"{part}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)
    return images, array(f"{part}-labels-idx1-ubyte", 8).long()


def seen(images, is_training):
    images = images.float() / 255
    if is_training:
        count = len(images)
        angle = (torch.rand(count) * 2 - 1) * torch.pi / 12
        size = 1 + (torch.rand(count) * 2 - 1) * 0.1
        shift = torch.stack([torch.zeros(count), (torch.rand(count) * 2 - 1) * 0.1], dim=1)
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).reshape(-1, 2, 2)
        affine = torch.cat([turn / size[:, None, None], shift[:, :, None]], dim=2)
        grid = torch.nn.functional.affine_grid(affine, images.shape, align_corners=False)
        images = torch.nn.functional.grid_sample(images, grid, mode="nearest", align_corners=False)
    return images[:, 0, ::2, ::2].reshape(len(images), 196)


def logits(x):
    q = evolve(x, layers[0].weight, layers[0].bias, 1.0, None)
    q = torch.cat([q, torch.zeros(len(q), 10)], dim=1)
    return factor * evolve(q, layers[1].weight, layers[1].bias, 1.0, None)[:, -10:]


images, labels = dataset("train")
for chosen in torch.randperm(len(images)).split(BATCH):
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(logits(seen(images[chosen], True)), labels[chosen]).backward()
    optimiser.step()
images, labels = dataset("t10k")
with torch.no_grad():
    right = sum(
        (logits(seen(x, False)).argmax(dim=1) == y).sum().item()
        for x, y in zip(images.split(256), labels.split(256))
    )
print(f"test accuracy {right / len(images):.3f}", file=sys.stderr)
print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
