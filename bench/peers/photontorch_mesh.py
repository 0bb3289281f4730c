"""The field behind a mesh of 16 modes by photontorch (Laporte, Dambre & Bienstman, Sci. Rep. 9, 5918, 2019), as `photontorch_mesh.py`,
in a Python that has the package: the reference of a test in `devices/tests/coherent_stack.rs`.

Each interferometer is made of photontorch's couplers and waveguides, with splitters and phases in closed form; the
network is solved in the frequency domain. It prints the field of light with amplitudes in closed
form as Rust.
"""

import numpy as np
import photontorch as pt
import torch

# photontorch 0.4.1 calls it; PyTorch has another function for it since.
torch.set_default_dtype(torch.float64)
torch.solve = lambda b, a: (torch.linalg.solve(a, b), None)

MODES = 16


def waveguide(phase):
    return pt.Waveguide(length=0.0, phase=float(phase), trainable=False)


def coupler(error):
    """A splitter that passes the share (1 + e) / 2 of the power."""
    return pt.DirectionalCoupler(coupling=(1 - error) / 2, trainable=False)


def mesh():
    components, connections = {}, []
    # The open end of each mode.
    ends = []
    for mode in range(MODES):
        components[f"source{mode}"] = pt.Source()
        components[f"gamma{mode}"] = waveguide(np.sin(0.3 + 1.1 * mode))
        connections.append(f"source{mode}:0:gamma{mode}:0")
        ends.append(f"gamma{mode}:1")

    def through(name, component, *ports):
        """Leads modes through a component; `ports` are (mode, in, out)."""
        components[name] = component
        for mode, enters, leaves in ports:
            connections.append(f"{ends[mode]}:{name}:{enters}")
            ends[mode] = f"{name}:{leaves}"

    number = 0
    for column in range(MODES):
        for upper in range(column % 2, MODES - 1, 2):
            lower, k = upper + 1, number
            theta, phi = 3 * np.sin(1 + 0.7 * k), 3 * np.sin(2 + 1.3 * k)
            left, right = 0.2 * np.sin(0.5 + 0.9 * k), 0.2 * np.sin(1.5 + 1.7 * k)
            through(f"left{k}", coupler(left), (upper, 0, 1), (lower, 3, 2))
            through(f"up{k}", waveguide(theta / 2), (upper, 0, 1))
            through(f"down{k}", waveguide(-theta / 2), (lower, 0, 1))
            through(f"right{k}", coupler(right), (upper, 0, 1), (lower, 3, 2))
            through(f"phi{k}", waveguide(phi), (upper, 0, 1))
            number += 1
        if column % 2:
            for mode in (0, MODES - 1):
                through(f"alone{column}-{mode}", waveguide(-np.pi / 2), (mode, 0, 1))
    for mode in range(MODES):
        components[f"detector{mode}"] = pt.Detector()
        connections.append(f"{ends[mode]}:detector{mode}:0")
    return pt.Network(components, connections)


def main():
    network = mesh()
    with pt.Environment(freqdomain=True, wl=1.55e-6, grad=False):
        network.initialize()
        # From sources, which are its first ports, to detectors, its last. Calling the network needs tensors with names,
        # which PyTorch no longer has.
        whole = (network._rC + 1j * network._iC)[0].numpy()
    matrix = whole[-MODES:, :MODES]
    light = np.array([np.sin(0.4 + 0.8 * mode) + 1j * np.cos(1.2 * mode) for mode in range(MODES)])
    field = matrix @ light
    print(f"// photontorch {pt.__version__}; |M^H M - 1| is {abs(matrix.conj().T @ matrix - np.eye(MODES)).max():.1e}")
    for name, values in (("REAL", field.real), ("IMAGINARY", field.imag)):
        print(f"const {name}: [f32; {MODES}] = [{', '.join(f'{value:.6f}' for value in values)}];")


if __name__ == "__main__":
    main()
