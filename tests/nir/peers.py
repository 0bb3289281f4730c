"""Plays a NIR graph in another simulator and prints what its output is, as JSON.

python3 peers.py {nir,norse,snntorch,of_snntorch} network.nir inputs.json

`inputs.json` has `dt` (seconds a step), `steps` to play, and `rasters` [sample][step][line]. `nir` prints the graph
itself. The others print the sum over the steps of each output [sample][output], or the value of an output that is a sum
already. `of_snntorch` writes a network of snnTorch's as `network.nir` and plays it. Exit status 77: a package is not installed.
"""

import json
import sys


def graph_as_json(graph):
    """Kinds, edges and values, so that the caller can compare them to the bit."""
    nodes = {}
    for name, node in graph.nodes.items():
        fields = {"type": type(node).__name__}
        for field in ("weight", "bias", "tau_syn", "tau_mem", "r", "v_leak", "v_reset", "v_threshold", "w_in"):
            if hasattr(node, field):
                fields[field] = getattr(node, field).tolist()
        nodes[name] = fields
    return {"nodes": nodes, "edges": sorted(map(list, graph.edges))}


def integrator(torch, node, dt):
    """dv/dt = r x by Euler steps: the node `I`, which neither simulator has."""

    class Integrator(torch.nn.Module):
        def forward(self, x, state=None):
            step = dt * torch.as_tensor(node.r, dtype=torch.float32) * x
            v = step if state is None else state + step
            return v, v

    return Integrator()


def in_norse(graph, dt):
    """Norse's modules for the nodes, on the edges as nirtorch plays them: `norse.torch.from_nir` cannot play an edge back."""
    import nir
    import nirtorch
    import torch
    from norse.torch.utils.import_nir import _import_norse_module

    def of(node):
        return _import_norse_module(node, dt=dt)

    kinds = {kind: of for kind in (nir.Linear, nir.Affine, nir.CubaLIF)}
    kinds[nir.I] = lambda node: integrator(torch, node, dt)
    return nirtorch.nir_to_torch(graph, kinds)


def in_snntorch(graph, dt):
    """As snnTorch imports it; its steps are 0.1 ms, always."""
    from snntorch.import_nir import import_from_nir

    assert dt == 1e-4, dt
    return import_from_nir(graph)


def play(step_of, inputs, is_sum):
    """The output's sum over the steps; `step_of` makes output and state of input and state."""
    import torch

    rasters = torch.tensor(inputs["rasters"], dtype=torch.float32)
    state, total = None, 0.0
    with torch.no_grad():
        for step in range(inputs["steps"]):
            output, state = step_of(rasters[:, step], state)
            total = output if is_sum else total + output
    return total.tolist()


def of_snntorch(path, inputs):
    """Two layers of snnTorch's neurons with a synaptic current, as a graph and as they count."""
    import nir
    import snntorch
    import torch
    from snntorch.export_nir import export_to_nir
    from snntorch.utils import reset

    torch.manual_seed(2)
    lines = len(inputs["rasters"][0][0])

    def neurons(count, alpha, beta, threshold):
        # Its export needs a value for each neuron.
        values = [value * torch.ones(count) for value in (alpha, beta, threshold)]
        alpha, beta, threshold = values
        return snntorch.Synaptic(
            alpha=alpha,
            beta=beta,
            threshold=threshold,
            init_hidden=True,
            reset_mechanism="zero",
            reset_delay=False,
        )

    network = torch.nn.Sequential(
        torch.nn.Linear(lines, 12, bias=False),
        neurons(12, 0.8, 0.9, 0.7),
        torch.nn.Linear(12, 5, bias=False),
        neurons(5, 0.75, 0.95, 0.5),
    )
    nir.write(path, export_to_nir(network, torch.zeros(lines)))
    reset(network)
    return play(lambda x, state: (network(x), state), inputs, False)


def main():
    simulator, path, inputs = sys.argv[1:]
    import nir

    if simulator == "nir":
        return graph_as_json(nir.read(path))
    with open(inputs, encoding="utf8") as file:
        inputs = json.load(file)
    if simulator == "of_snntorch":
        return of_snntorch(path, inputs)
    graph = nir.read(path)
    is_sum = any(isinstance(node, nir.I) for node in graph.nodes.values())
    make = {"norse": in_norse, "snntorch": in_snntorch}[simulator]
    return play(make(graph, inputs["dt"]), inputs, is_sum)


if __name__ == "__main__":
    printed = sys.stdout
    # snnTorch prints as it imports.
    sys.stdout = sys.stderr
    try:
        found = main()
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed", file=sys.stderr)
        sys.exit(77)
    json.dump(found, printed)
