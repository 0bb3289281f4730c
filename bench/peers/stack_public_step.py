"""A step of physics-aware training by the public code of dual adaptive training, as `stack_public_step.py FOLDER`.

FOLDER is a copy of github.com/THPCILab/DAT_MPNN (Zheng et al., Nature Machine Intelligence 5, 1119, 2023), whose model,
losses and optimiser are used as they are: a stack of three 64-mode meshes with splitter and phase errors of 0.06, batch
500, its step of `train.py` with the method `pat`. Changed from outside: what it sends to a GPU stays on the CPU, and
TensorFlow, of which it only uses the names of number types, need not be installed; NumPy's old name of `complex` exists.
"""

import os
import sys
from unittest import mock

import numpy as np
import torch

from timed import answer

BATCH = 500
folder = sys.argv[1]
os.chdir(folder)
sys.path.insert(0, folder)
sys.argv[1:] = ["-train", "-method", "pat", "-Etype", "bothE", "-bsE", "0.06", "-phaseE", "0.06"]
for name in ["tensorflow", "tensorflow.keras", "tensorflow.keras.layers", "tensorflow.keras.models"]:
    sys.modules.setdefault(name, mock.MagicMock(__spec__=mock.MagicMock()))
np.complex = complex
torch.Tensor.cuda = lambda self, *_, **__: self
torch.nn.Module.cuda = lambda self, *_, **__: self

import config  # noqa: E402
import function  # noqa: E402
import model  # noqa: E402

settings, _ = config.parser.parse_known_args()
net = model.Pure_MZI_Net(settings)
criterion = torch.nn.CrossEntropyLoss()
optimiser = torch.optim.Adam([p for n, p in net.named_parameters() if "RM_block" in n], lr=settings.init_lr)
random = np.random.default_rng(1)
parts = random.standard_normal((2, BATCH, settings.waveguide_dims))
inputs = function.norm_inputs(parts[0] + 1j * parts[1]).astype(np.complex64)
labels = torch.tensor(np.eye(10)[random.integers(0, 10, BATCH)])


def step():
    optimiser.zero_grad()
    outputs = net(inputs)
    function.correct(outputs, labels)
    with torch.no_grad():
        measured = net.phy_forward(inputs)
        function.correct(measured, labels)
        net.phy_replace_sim()
        outputs.data.copy_(measured.data)
    criterion(outputs, labels).backward()
    optimiser.step()


answer(step=step)
