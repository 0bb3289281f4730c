"""The tables of errors: meaning and message from the sources, cure from `cures.toml`."""

import tomllib

import python_pages
import schema_pages
import sources

ENUMS = {
    "Error": ("The program's own", "src/error.rs"),
    "DeviceError": ("Of a device", "devices/src/error.rs"),
    "RigError": ("Of a real device and its link", "devices/src/rig/error.rs"),
    "CalibrationError": ("Of a calibration", "calibration/src/error.rs"),
}


def cures():
    return tomllib.loads((sources.ROOT / "docs/cures.toml").read_text())


def cure(group, name, used):
    used.add((group, name))
    found = cures().get(group, {}).get(name)
    if found is None:
        raise SystemExit(f"docs/cures.toml has no cure for {group}.{name}")
    return found


def page():
    """The tables. An error without a cure, or a cure without its error, ends the build."""
    used = set()
    lines = ["## In Python {#python-errors}", "", "| class | is also | meaning | cure |", "|---|---|---|---|"]
    for name, bases, meaning in python_pages.errors():
        above = ", ".join(f"`{base}`" for base in bases)
        lines.append(
            f'| <a id="twinprop.{name}"></a>`{name}` | {above} | {schema_pages.cell(meaning)} | {cure("python", name, used)} |'
        )
    for enum, (title, path) in ENUMS.items():
        lines += ["", f"## {title} {{#{enum}}}", "", "| error | message | cure |", "|---|---|---|"]
        for name, message, meaning in sources.variants(path, enum):
            text = message.replace("{}", "…").replace("{0}", "…").replace("|", "\\|")
            shown = f"`{text}`" if text.strip("… :;{}") not in ("", "problem", "{problem", "source", "error") else ""
            lines.append(
                f'| <a id="{enum}.{name}"></a>`{name}`: {schema_pages.cell(meaning)} | {shown} | {cure(enum, name, used)} |'
            )
    unknown = {(group, name) for group, names in cures().items() for name in names} - used
    if unknown:
        raise SystemExit(f"docs/cures.toml has cures for errors that do not exist: {sorted(unknown)}")
    return "\n".join(lines)
