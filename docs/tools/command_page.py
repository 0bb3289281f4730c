"""The page of the command line, made of the program's help."""

import pathlib
import re
import subprocess
import sys
import tempfile

import sources

RIG = """from twinprop_rig import bank, rig
@rig(inputs=bank("drive", 1, "V", 0, 1), outputs=bank("reading", 1, "V", 0, 1))
def measure(inputs, parameters):
    return inputs
measure.serve()
"""


def names(text):
    """The subcommands that a help text lists."""
    block = re.search(r"^Commands:\n(.*?)\n\n", text, flags=re.S | re.M)
    return (
        [name for name in re.findall(r"^  ([a-z][a-z-]*)", block.group(1), flags=re.M) if name != "help"]
        if block
        else []
    )


def commands():
    """Every command with its help: `[("twinprop device probe", help)]`."""
    found, waiting = [], [[]]
    while waiting:
        path = waiting.pop(0)
        text = sources.output(*path, "--help")
        found.append((" ".join(["twinprop", *path]), text))
        waiting += [[*path, name] for name in names(text)]
    return sorted(found)


def rig_help():
    """The options of a rig's script."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "my_rig.py").write_text(RIG)
        environment = {"PYTHONPATH": str(sources.ROOT / "python"), "COLUMNS": "100"}
        command = [sys.executable, "my_rig.py", "--help"]
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def options(text):
    """The options in a help text: form, meaning."""
    block = re.search(r"^Options:\n(.*)", text, flags=re.S | re.M)
    for part in re.split(r"^ {2,6}(?=-)", block.group(1) if block else "", flags=re.M)[1:]:
        form, _, meaning = part.partition("  ") if "\n" not in part.split("  ", 1)[0] else part.partition("\n")
        yield form.strip(), " ".join(meaning.split())


def page():
    lines = []
    for name, text in commands():
        usage = re.search(r"^Usage: (.*)$", text, flags=re.M).group(1)
        about = text.split("\n\nUsage:")[0].strip()
        lines += [f"## `{name}` {{#{name.replace(' ', '-')}}}", "", about + ".", "", f"```text\n{usage}\n```", ""]
        arguments = re.search(r"^Arguments:\n(.*?)(?=^\S|\Z)", text, flags=re.S | re.M)
        for argument in re.split(r"^ {2}(?=[<\[])", arguments.group(1), flags=re.M)[1:] if arguments else []:
            form, meaning = argument.split(None, 1)
            lines.append(f"- `{form}`: {' '.join(meaning.split())}")
        shown = [(form, meaning) for form, meaning in options(text) if "--help" not in form]
        if shown:
            lines += ["", "| option | meaning |", "|---|---|"]
            for form, meaning in shown:
                option = re.search(r"--[a-z-]+", form).group()
                anchor = f'<a id="{name.replace(" ", "-")}{option}"></a>'
                lines.append(f"| {anchor}`{form}` | {meaning.replace('|', chr(92) + '|').replace('<', '&lt;')} |")
        lines.append("")
    return "\n".join(
        [
            *lines,
            "## A rig's script {#rig-script}",
            "",
            "`python3 my_rig.py` with the helper `twinprop_rig.py`:",
            "",
            f"```text\n{rig_help().strip()}\n```",
            "",
        ]
    )
