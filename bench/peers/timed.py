"""Shared by all scripts that time PyTorch: as many threads as cores, and `torch.compile` with the option `--compiled`."""

import os
import sys
import time

import torch

torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.manual_seed(1)
BATCH = 32


def compiled(function):
    """Returns `function`, compiled by `torch.compile` with the option `--compiled`."""
    return torch.compile(function) if "--compiled" in sys.argv else function


def samples():
    """The number of training samples: the first argument."""
    return int(sys.argv[1])


def answer(**works):
    """Reads the name of one of the `works` per line, does it, and answers with the seconds that it took."""
    for line in sys.stdin:
        work = works[line.strip()]
        start = time.perf_counter()
        work()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        print(time.perf_counter() - start, flush=True)
