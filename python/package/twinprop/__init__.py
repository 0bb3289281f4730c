"""Physics-aware training: train physical systems as neural networks.

The forward pass runs on the device, the backward pass through its digital twin:

>>> import twinprop as tp
>>> lab = tp.simulate("pendula", count=3, seed=1, imperfections={"mismatch": 0.1})
>>> twin = tp.calibrate(lab, shots=2000, test_shots=200, twin="physics", progress=False)
>>> twin.fidelity.verdict
'fit'

`twinprop.device` makes a function of yours a device, `twinprop.torch.PhysicalModule` a device a layer of PyTorch.
"""

from ._version import __version__
from .calibration import Fidelity, Twin, calibrate, load_twin
from .channels import Bank, Interface, bank, complex_bank, raster
from .devices import Device, device, open_device, simulate
from .errors import *  # noqa: F403
from .errors import __all__ as _errors
from .history import Epoch, History
from .live_view import LiveView, live
from .network import Network, Physical
from .own_twin import OwnTwin, twin
from .plots import Figure
from .runs import Look, Run, load
from .training import resume, run, train

__all__ = [
    "Bank",
    "Device",
    "Epoch",
    "Fidelity",
    "Figure",
    "History",
    "Interface",
    "LiveView",
    "Look",
    "Network",
    "OwnTwin",
    "Physical",
    "Run",
    "Twin",
    "__version__",
    "bank",
    "complex_bank",
    "calibrate",
    "device",
    "live",
    "load",
    "load_twin",
    "open_device",
    "raster",
    "resume",
    "run",
    "simulate",
    "train",
    "twin",
    *_errors,
]
