"""Pages of the recipe's keys, made of `twinprop schema`: a table a structure, with an anchor a key."""

import collections
import functools
import json
import re
import tomllib

import sources

# The pages, each with the structures from which it starts. A structure that another page starts from is linked to.
PAGES = {
    "data": ("Data", {"DataConfig": "data"}),
    "network": ("Network", {"StageConfig": "network"}),
    "devices": ("Devices", {"DeviceEntry": "devices.NAME"}),
    "calibration": ("Calibration", {"CalibrationConfig": "calibration"}),
    "twins": ("Twins", {"TwinConfig": "calibration.twin"}),
    "designs": ("Designs", {"DesignConfig": "calibration.design"}),
    "training": ("Training", {"TrainingConfig": "training"}),
    "rules": ("Training rules", {"RulesConfig": "training.rules", "Rule": "training.rule"}),
    "others": (
        "Adaptation, accounting, comparison",
        {"AdaptConfig": "adaptation", "AccountingConfig": "accounting", "Column": "compare"},
    ),
}
UNITS = {"seconds": "s", "joules": "J", "degrees": "°", "steps": "steps", "pixels": "pixels"}
BY_NAME = {
    "_hz": "Hz",
    "_thz": "THz",
    "_fs2": "fs²",
    "_fs": "fs",
    "seconds": "s",
    "_db": "dB",
    "volts": "V",
    "bits": "bit",
}


@functools.cache
def schema():
    return json.loads(sources.output("schema"))


def definitions():
    return schema()["$defs"]


def name_of(part):
    """The structure that a part of the schema refers to, or None."""
    for choice in [part, *part.get("anyOf", []), part.get("items", {}), part.get("additionalProperties") or {}]:
        if isinstance(choice, dict) and "$ref" in choice:
            return choice["$ref"].rsplit("/", 1)[1]
    return None


@functools.cache
def kinds():
    """The structure of each simulated device, by its kind."""
    choices = definitions()["DeviceKind"]["oneOf"]
    return {kind: name_of(part) for choice in choices for kind, part in choice.get("properties", {}).items()}


@functools.cache
def placed():
    """Where each structure stands: `{structure: (page, its path in a recipe)}`, in the order of the pages."""
    places, queue = {}, collections.deque()
    roots = {root: (page, path) for page, (_, starts) in PAGES.items() for root, path in starts.items()}
    roots["DeviceKind"] = ("devices", "devices.NAME.model")
    for kind, config in kinds().items():
        roots[config] = (f"device-{kind}", f"devices.NAME.model.{kind}")
    for root, (page, path) in roots.items():
        if root not in places:
            places[root] = (page, path)
        queue.append(root)
        while queue:
            parent = queue.popleft()
            page, path = places[parent]
            for key, part in parts(definitions()[parent]):
                child = name_of(part)
                if child and child not in places and child not in roots:
                    places[child] = (page, f"{path}.{key}" if key else path)
                    queue.append(child)
    return places


def parts(definition):
    """The parts of a structure with the keys that lead to them."""
    yield from definition.get("properties", {}).items()
    for choice in definition.get("oneOf", []) + definition.get("anyOf", []):
        if "$ref" in choice:
            yield "", choice
        for key, part in choice.get("properties", {}).items():
            yield key, part
            for inner, more in part.get("properties", {}).items():
                yield f"{key}.{inner}", more
    if isinstance(definition.get("additionalProperties"), dict):
        yield "", definition["additionalProperties"]


def cell(text):
    """Text for a table: one line, with its bars escaped, without code examples."""
    return " ".join(sources.plain(text).split()).replace("|", "\\|")


def link(structure, text=None):
    page, path = placed()[structure]
    return f"[{text or f'`{path}`'}]({page}.md#{anchor(structure)})"


def anchor(structure):
    return f"of-{structure.lower()}"


def toml(value):
    """A JSON value as a recipe has it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def unit(key, part):
    """The unit of a number, from its name or its description; `1` for one that has none."""
    kinds_of = str(part.get("type", "")) + str(part.get("anyOf", ""))
    if "number" not in kinds_of and "integer" not in kinds_of:
        return ""
    text = part.get("description", "")
    found = re.search(
        r"\bin (rad|dB|Hz|GHz/mW|GHz|THz|mW|mm|µm|nm|fs²|A/V²|1/V|V|Ω|F|H|seconds|joules|degrees|steps|pixels)(?=[.,;: \n]|$)",
        text,
    )
    if found:
        return UNITS.get(found.group(1), found.group(1))
    named = next((unit for ending, unit in BY_NAME.items() if key.endswith(ending)), None)
    if named:
        return named
    return "1" if "number" in kinds_of else ""


def type_of(part):
    child = name_of(part)
    many = "list of " if "items" in part else "table of " if child and "additionalProperties" in part else ""
    if child:
        return many + link(child)
    types = part.get("type", "any")
    types = [types] if isinstance(types, str) else [name for name in types if name != "null"]
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "array": "list",
        "object": "table",
    }
    text = " or ".join(words.get(name, name) for name in types)
    if "items" in part:
        text = f"list of {type_of(part['items'])}"
    if "enum" in part:
        text = ", ".join(f"`{toml(value)}`" for value in part["enum"])
    return text


def default_of(key, part, required):
    if key in required:
        return "required"
    if "default" not in part:
        return "none"
    value = part["default"]
    return "see its table" if isinstance(value, dict) and name_of(part) and len(toml(value)) > 30 else f"`{toml(value)}`"


def range_of(structure, key, part):
    stated = sources.ranges().get((structure, key.rsplit(".", 1)[-1]))
    if stated:
        return stated
    inside = re.search(
        r"(between \d \S+ \d|\d to \d(?=[.,;])|above 0, at most 1|above zero, at most one|below one|more than 1|one or more)",
        part.get("description", ""),
    )
    if inside:
        return inside.group(1)
    return "whole number" if part.get("minimum") is not None else ""


def row(structure, key, part, required=()):
    place = f'<a id="{structure}.{key}"></a>`{key}`'
    columns = [
        place,
        cell(part.get("description", "")) + example(structure, key),
        type_of(part),
        unit(key.rsplit(".", 1)[-1], part),
        range_of(structure, key, part),
        default_of(key, part, required),
    ]
    return "| " + " | ".join(columns) + " |"


HEAD = "| key | meaning | type | unit | allowed | default |\n|---|---|---|---|---|---|"


def table(structure):
    """A structure's part of a page."""
    definition = definitions()[structure]
    lines = []
    about = sources.plain(definition.get("description", ""))
    if about:
        lines += [about, ""]
    properties = definition.get("properties", {})
    if properties:
        lines += [
            HEAD,
            *(row(structure, key, part, definition.get("required", [])) for key, part in properties.items()),
            "",
        ]
    if isinstance(definition.get("additionalProperties"), dict):
        lines += [f"A table of names, each with a value: {type_of(definition['additionalProperties'])}.", ""]
    if "anyOf" in definition:
        lines += ["Either " + ", or ".join(type_of(choice) for choice in definition["anyOf"]) + ".", ""]
    if "oneOf" in definition:
        lines += choices(structure, definition["oneOf"])
    return "\n".join(lines)


def choices(structure, options):
    lines, inner, defaults = ["| value | options | meaning |", "|---|---|---|"], [], ()
    for choice in options:
        text = cell(choice.get("description", ""))
        if "const" in choice:
            name = choice["const"]
            lines.append(f'| <a id="{structure}.{name}"></a>`{toml(name)}` | | {text} |')
        elif "enum" in choice:
            defaults = choice["enum"]
        for key, part in choice.get("properties", {}).items():
            child = name_of(part)
            more = link(child) if child else "table" if "properties" in part else type_of(part)
            form = (
                f"{{ {key} = {{ … }} }}"
                if child or "properties" in part or part.get("type") == "object"
                else f"{{ {key} = … }}"
            )
            lines.append(f'| <a id="{structure}.{key}"></a>`{form}` | {more} | {text} |')
            inner += [
                row(structure, f"{key}.{name}", below, [f"{key}.{wanted}" for wanted in part.get("required", [])])
                for name, below in part.get("properties", {}).items()
            ]
    lines.append("")
    if defaults:
        lines += [
            "These names can stand without options, which then have their defaults: "
            + ", ".join(f"`{toml(name)}`" for name in defaults)
            + ".",
            "",
        ]
    return lines + ([HEAD, *inner, ""] if inner else [])


def page(name):
    """The tables of the structures that stand on a page."""
    lines = []
    for structure, (place, path) in placed().items():
        if place == name:
            lines += [f"## `{path}` {{#{anchor(structure)}}}", "", table(structure)]
    return "\n".join(lines)


@functools.cache
def examples():
    """A value of each key in the recipes of `experiments`, by its last two names, with the recipe."""
    found = {}

    def walk(value, recipe, above):
        for key, inner in value.items():
            if isinstance(inner, dict):
                walk(inner, recipe, key)
            found.setdefault((above, key), (inner, recipe))

    for path in sorted((sources.ROOT / "experiments").glob("*.toml")):
        recipe = tomllib.loads(path.read_text())
        stages = [stage for stage in recipe.pop("network", []) if isinstance(stage, dict)]
        for stage in stages:
            walk(stage, path.stem, "network")
        walk(recipe, path.stem, "")
    return found


def example(structure, key):
    """A real recipe's value of a key, as a sentence."""
    if structure not in placed():
        return ""
    path = placed()[structure][1].rsplit(".", 1)[-1]
    above, last = key.rsplit(".", 1) if "." in key else (path, key)
    value, recipe = examples().get((above, last), (None, None))
    if recipe is None or isinstance(value, (dict, list)) or len(toml(value)) > 40:
        return ""
    return f" Example: `{last} = {toml(value)}` in `{recipe}`."
