"""A laboratory of nine drives, nine knobs and twelve detectors, as a NumPy function.

`python3 example_rig.py --help` lists the options of a rig; the start of twinprop_rig.py explains how it runs.
"""

import numpy as np
from twinprop_rig import bank, rig

random = np.random.default_rng(7)
mixing = random.normal(size=(9, 12)) / 3


@rig(
    inputs=bank("drive", 9, "V", 0, 1),
    parameters=bank("knob", 9, "V", 0, 1),
    outputs=bank("detector", 12, "V", -4, 4),
)
def measure(inputs, parameters):
    """Readings [shots, 12] at the drives [shots, 9] and the knobs [9]."""
    waves = np.sin(3 * (inputs + parameters)) @ mixing
    return np.clip(waves + 0.01 * random.normal(size=waves.shape), -4, 4)


@measure.safe
def off():
    """Turns every drive off; returns when all are off, and raises an exception if one is not."""
    print("all drives off")


if __name__ == "__main__":
    measure.serve()
