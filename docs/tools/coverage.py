"""Compares the book with the program: every key, option, name, error and file has its entry, and none is left over."""

import json
import pathlib
import re
import subprocess
import tempfile

import python_pages
import sources

OPTION = re.compile(r"^\s+(?:-\w, )?(--[a-z][a-z-]*)", flags=re.M)


def keys(schema):
    """Every key and named value of the schema, as anchors."""
    yield from (f"Recipe.{key}" for key in schema["properties"])
    for name, definition in schema["$defs"].items():
        yield from (f"{name}.{key}" for key in definition.get("properties", {}))
        for choice in definition.get("oneOf", []):
            if "const" in choice:
                yield f"{name}.{choice['const']}"
            for key, part in choice.get("properties", {}).items():
                yield f"{name}.{key}"
                yield from (f"{name}.{key}.{inner}" for inner in part.get("properties", {}))


def options(command=()):
    """Every command and option of the program's help, as anchors."""
    text = sources.output(*command, "--help")
    name = "-".join(["twinprop", *command])
    yield name
    yield from (f"{name}{option}" for option in OPTION.findall(text) if option != "--help")
    block = re.search(r"^Commands:\n((?: .*\n)*)", text, flags=re.M)
    for inner in re.findall(r"^  ([a-z][a-z-]*)  ", block.group(1), flags=re.M) if block else []:
        if inner != "help":
            yield from options((*command, inner))


def names(python, packages):
    """The public names of the package, as Python itself lists them, with the public members of its classes."""
    program = """
import inspect, json, twinprop
found = []
for module in ["twinprop", "twinprop.torch", "twinprop.jax", "twinprop.sklearn", "twinprop.errors"]:
    try:
        imported = __import__(module, fromlist=["_"])
    except ImportError as error:
        if "twinprop" in str(error):
            raise
        continue
    for name in imported.__all__:
        place = "twinprop" if module == "twinprop.errors" else module
        found.append(f"{place}.{name}")
        of = getattr(imported, name)
        if inspect.isclass(of) and of.__module__.startswith("twinprop") and not issubclass(of, Exception):
            found += [f"{place}.{name}.{member}" for member, value in vars(of).items()
                      if not member.startswith("_") and getattr(value, "__doc__", None)
                      and (inspect.isfunction(value) or isinstance(value, property))]
print(json.dumps(found))
"""
    environment = {"PATH": "/usr/bin:/bin", **({"PYTHONPATH": packages} if packages else {})}
    done = subprocess.run([python, "-c", program], env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def errors():
    """The variants of the program's errors, by a search that knows nothing of the pages."""
    for enum, path in [
        ("Error", "src/error.rs"),
        ("DeviceError", "devices/src/error.rs"),
        ("RigError", "devices/src/rig/error.rs"),
        ("CalibrationError", "calibration/src/error.rs"),
    ]:
        body = sources.rust_sources()[path].split(f"pub enum {enum} {{")[1].split("\n}\n")[0]
        yield from (f"{enum}.{name}" for name in re.findall(r"^    ([A-Z]\w+)[ ,({]", body, flags=re.M))


def first_column(text, heading):
    """The code in the first column of the table below a heading."""
    part = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def written(folder):
    """Names of what some short runs write into their folders; keys of their metrics and summaries."""
    recipe = (sources.ROOT / "experiments/vowels-optical.toml").read_text()
    values = (sources.ROOT / "experiments/diabetes-optical.toml").read_text()
    (folder / "classes.toml").write_text(recipe)
    (folder / "values.toml").write_text(values)
    quick = [
        "--set",
        "training.epochs=1",
        "--set",
        "calibration.shots=400",
        "--set",
        "calibration.test_shots=100",
        "--set",
        "calibration.require=none",
        "--set",
        "calibration.fit.epochs=2",
    ]
    equation = ["--set", "calibration.twin={ learned_physics = {} }", "--set", "training.bean={ strength = 1.0 }"]
    for command in [
        [
            "train",
            "classes.toml",
            "--out",
            "a",
            "--tensorboard",
            "--set",
            "calibration.twin={ neural = { width = 8 } }",
            *quick,
        ],
        ["train", "values.toml", "--out", "b", *quick, *equation],
        ["train", "classes.toml", "--out", "c", "--rule", "spsa", *quick],
    ]:
        subprocess.run([sources.program(), *command], cwd=folder, check=True, capture_output=True)
    files, metrics, summary, live = set(), set(), set(), set()
    for run in "abc":
        for path in (folder / run).iterdir():
            files.add(re.sub(r"(?<=twin-)[a-z]+", "NAME", path.name))
        for line in (folder / run / "metrics.jsonl").read_text().splitlines():
            metrics |= set(json.loads(line))
        summary |= set(json.loads((folder / run / "summary.json").read_text()))
        record = json.loads((folder / run / "live.json").read_text())
        live |= {*record, *(f"devices.{key}" for key in record["devices"][0])}
    return files, metrics, summary, live


# What short runs do not write: a checkpoint is removed at the end; links and changes are of other runs.
NOT_WRITTEN = {"checkpoint-N", "links", "only_pseudo_gradient", "may_be_driven", "changed_data"}


def run_folder():
    """Faults between the page of a run's files and what runs write."""
    text = (sources.ROOT / "docs/src/reference/run-folder.md").read_text()
    with tempfile.TemporaryDirectory(prefix="book-") as folder:
        found = written(pathlib.Path(folder))
    count = 0
    for heading, names_found in zip(["A run", "A line of `metrics.jsonl`", "`summary.json`", "`live.json`"], found):
        stated = {name.split("/")[0] for name in first_column(text, heading)}
        count += len(stated)
        yield from (
            f"run-folder.md does not have `{name}`, which a run writes" for name in sorted(names_found - stated)
        )
        yield from (
            f"run-folder.md has `{name}`, which no run writes" for name in sorted(stated - names_found - NOT_WRITTEN)
        )
    yield count


# Tables written by hand that have all values of a structure of the schema.
TABLES = {
    "reference/stages.md": ["StageConfig", "LossConfig"],
    "concepts/rules.md": ["Rule"],
    "concepts/twins.md": ["TwinConfig"],
    "concepts/designs.md": ["DesignConfig"],
}
MEASURED = [
    "experiments/README.md",
    "experiments/results.json",
    "bench/README.md",
    "docs/src/photonic-stack.md",
    "devices/PROTOCOL.md",
    "src/data/sets/README.md",
]
# A level of confidence, and the length of a series in a recipe.
CHOSEN = {"99 of 100", "8,000"}
FIGURE = re.compile(r"\d[\d,]*\.\d+ ± \d+\.\d+|\d[\d,]*\.\d+(?= %)|\b0\.\d{2,}\b|\b\d{1,3}(?:,\d{3})+\b|\b\d+ of \d+\b")


def figures():
    """The figures in the text of the pages, outside of their blocks, that no document of measurements has."""
    measured = "".join((sources.ROOT / name).read_text() for name in MEASURED)
    flat, count = " ".join(measured.replace("**", "").split()), 0
    for path in [sources.ROOT / "README.md", *sorted((sources.ROOT / "docs/src").rglob("*.md"))]:
        text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.S | re.M)
        if f"docs/src/{path.name}" in MEASURED:
            continue
        for figure in FIGURE.findall(" ".join(text.split())):
            count += 1
            if figure not in flat and figure not in CHOSEN:
                yield f"{path.name} states {figure}, which no document of measurements has"
    yield count


def tables(schema):
    """The values of a structure that the table of a page lacks."""
    count = 0
    for page, structures in TABLES.items():
        text = (sources.ROOT / "docs/src" / page).read_text()
        stated = {
            name
            for line in text.splitlines()
            if line.startswith("| `")
            for name in re.findall(r"`([^`]+)`", line.split("|")[1])
        }
        for structure in structures:
            found = {
                name.split(".")[1]
                for name in keys({"properties": {}, "$defs": {structure: schema["$defs"][structure]}})
            } - {"given"}
            count += len(found)
            yield from (f"{page} has no row of `{name}`, a value of {structure}" for name in sorted(found - stated))
    yield count


def check(pages, python, packages):
    """Returns how many entries were compared of each kind, and the faults."""
    ids = {anchor for page in pages.values() for anchor in page.ids}
    schema = json.loads(sources.output("schema"))
    wanted = {
        "keys": list(keys(schema)),
        "options": list(options()),
        "Python names": names(python, packages) if python else [],
        "errors": [*errors(), *(f"twinprop.{name}" for name, _, _ in python_pages.errors())],
    }
    counts = {kind: len(set(found)) for kind, found in wanted.items()}
    faults = [
        f"the book has no entry of {name}"
        for found in wanted.values()
        for name in dict.fromkeys(found)
        if name not in ids
    ]
    *more, counts["files and fields"] = run_folder()
    *unmeasured, counts["figures"] = figures()
    *rows, counts["rows"] = tables(schema)
    return counts, faults + more + unmeasured + rows
