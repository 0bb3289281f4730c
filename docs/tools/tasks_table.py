"""The table of measured tasks: results of `experiments/results.json` beside what each recipe's devices are."""

import json
import re
import shlex
import tomllib
from concurrent.futures import ThreadPoolExecutor

import schema_pages
import sources

# Nonlinearity and memory within a shot, by the kind of device.
KINDS = {
    "second_harmonic": ("square of the spectrum; saturation", "none"),
    "mzi_mesh": ("square at the detectors", "none"),
    "coherent_stack": ("electro-optic, between the meshes", "none"),
    "microring_bank": ("linear", "none"),
    "diffractive": ("square at the camera", "none"),
    "oscillators": ("sine of the angle", "none"),
    "pendula": ("sine of the angle", "none"),
    "plate": ("nonlinear tension; root mean square at the detectors", "ringing modes"),
    "transistor": ("characteristic of the transistor", "resonant branch"),
    "crossbar": ("linear", "none"),
    "lif_chip": ("spikes", "membranes"),
    "learning_chip": ("spikes", "membranes"),
}


def channels(recipe, name):
    """Numbers of inputs, parameters and outputs of a recipe's device, as the program describes it."""
    path = sources.ROOT / f"experiments/{recipe}.toml"
    served = shlex.join(
        [sources.program(), "device", "serve", str(path), "--name", name, "--stdio", "--frame", "65536"]
    )
    text = sources.output("device", "info", f"process:{served}")
    counts = []
    for side in ["inputs", "parameters", "outputs"]:
        block = re.search(rf"^  {side} (.*\n(?:   +\d.*\n)*)", text, flags=re.M)
        counts.append(sum(int(count) for count in re.findall(r"(\d+) ×", block.group(1))) if block else 0)
    return counts


def row(entry):
    name, figures = entry
    recipe = tomllib.loads((sources.ROOT / f"experiments/{name}.toml").read_text())
    layers = [stage["physical"] for stage in recipe["network"] if isinstance(stage, dict) and "physical" in stage]
    devices = list(dict.fromkeys(layer["device"] for layer in layers))
    kinds, sizes = [], []
    for device in devices:
        model = recipe["devices"][device].get("model", {})
        kinds += [kind for kind in model if kind not in kinds]
        inputs, parameters, outputs = channels(name, device)
        sizes.append(f"{inputs:,} → {outputs:,} ({parameters:,})")
    shots = " + ".join(str(layer.get("shots", 1)) for layer in layers)
    once = any("once" in figure for figure in figures.values())
    plain = {key: re.sub(r"\[\^\w+\]", "", figure).replace(" ", "\u00a0") for key, figure in figures.items()}
    cells = [
        f"`{name}`{' ¹' if once else ''}",
        ", ".join(f"[`{kind}`](reference/device-{kind}.md)" for kind in kinds),
        "; ".join(dict.fromkeys(sizes)),
        shots,
        *(plain.get(key, "") for key in ["pat", "in_silico", "linear_softmax", "mlp", "time"]),
    ]
    return "| " + " | ".join(cells) + " |"


def table():
    results = json.loads((sources.ROOT / "experiments/results.json").read_text())["recipes"]
    heads = [
        "recipe",
        "device",
        "drives → readings (parameters)",
        "shots a layer",
        "`pat`",
        "`in-silico`",
        "linear softmax",
        "MLP, 64 units",
        "time of a run",
    ]
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(row, results.items()))
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *rows])


def kinds():
    """What each kind of device does to its drives."""
    if KINDS.keys() != schema_pages.kinds().keys():
        raise SystemExit("docs/tools/tasks_table.py does not have the kinds of devices of the schema")
    rows = [
        f"| [`{kind}`](reference/device-{kind}.md) | {nonlinearity} | {memory} |"
        for kind, (nonlinearity, memory) in KINDS.items()
    ]
    return "\n".join(["| device | nonlinearity | memory in a shot |", "|---|---|---|", *rows])
