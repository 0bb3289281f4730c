"""The code blocks of a page, and how each is run.

- `console`: lines that start with `$ ` are commands of one shell for the page. The lines below are printed by it, in this
  order; `…` stands for any text, and a line `…` for any lines; numbers with a decimal point agree to a twentieth. A
  command that ends with `\\` goes on in the next line.
- `python`: run in one interpreter for the page; a block `output` below it is what it prints, in the same way.
- `python,file=NAME`, `toml,file=NAME`, `c,file=NAME`, `sh,file=NAME`: written to the page's folder.
- `toml`: a part of a recipe; the program reads it in the place of the same keys of a complete recipe.
- `no_run` in the first line of any of them: counted, not run. Other languages are text.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import tomllib

import schema_pages
import sources

LIMIT = 150
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```\s*$", flags=re.S | re.M)
RECIPE = sources.ROOT / "experiments/vowels-optical.toml"
INTERPRETER = """
import contextlib, io, json, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    printed, fault = io.StringIO(), None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            exec(compile(json.loads(line), "<page>", "exec"), names)
        except BaseException:
            fault = traceback.format_exc()
    print(json.dumps([printed.getvalue(), fault]), file=sys.__stdout__, flush=True)
"""


class Failure(Exception):
    """A block did not do what its page says."""


def blocks(text):
    """The blocks of a page: language, options, text, line."""
    for found in FENCE.finditer(text):
        language, *options = [part.strip() for part in found.group(1).split(",")]
        yield language, options, found.group(2), text.count("\n", 0, found.start()) + 1


NUMBER = re.compile(r"\d+\.\d+")


def is_like(wanted, line):
    """Whether a line is the wanted one: `…` is any text, and numbers with a decimal point agree to a twentieth."""
    numbers = [float(number) for number in NUMBER.findall(wanted)]
    pattern = r"(\d+\.\d+)".join(".*".join(map(re.escape, part.split("…"))) for part in NUMBER.split(wanted))
    found = re.fullmatch(pattern, line)
    return bool(found) and all(abs(float(b) - a) <= max(0.05 * a, 0.02) for a, b in zip(numbers, found.groups()))


def matches(expected, printed):
    """The first line of `expected` that does not stand, in its order, in `printed`; None if all do."""
    lines = iter([line.rstrip() for line in printed.splitlines()])
    for wanted in expected:
        if wanted.strip() in ("", "…"):
            continue
        if not any(is_like(wanted.rstrip(), line) for line in lines):
            return wanted
    return None


class Page:
    """A page's folder, its shell and its interpreter."""

    def __init__(self, python, packages):
        self.folder = tempfile.TemporaryDirectory(prefix="book-")
        self.python = python
        path = [os.path.dirname(sources.program()), os.path.dirname(os.path.abspath(python)), os.environ["PATH"]]
        self.environment = {**os.environ, "PATH": os.pathsep.join(path), "TWINPROP_BOOK": str(sources.ROOT)}
        if packages:
            self.environment["PYTHONPATH"] = packages
        self.processes = {}
        self.counts = {"run": 0, "not run": 0}

    def start(self, name, command):
        if name not in self.processes:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=self.folder.name,
                env=self.environment,
                text=True,
                start_new_session=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        return self.processes[name]

    def close(self):
        """Ends the page's own processes, which are groups of their own."""
        for process in self.processes.values():
            process.stdin.close()
            for ending in [signal.SIGTERM, signal.SIGKILL]:
                try:
                    os.killpg(process.pid, ending)
                    process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass
            process.stdout.close()
        self.folder.cleanup()

    def command(self, text):
        """What a command prints in the page's shell, and its status."""
        shell = self.start("shell", ["bash", "--noprofile", "--norc"])
        shell.stdin.write(f"{{ {text}\n}} </dev/null\nprintf '\\nended %d\\n' $?\n")
        shell.stdin.flush()
        lines = []
        watch = threading.Timer(LIMIT, os.killpg, [shell.pid, signal.SIGKILL])
        watch.start()
        for line in shell.stdout:
            if ended := re.fullmatch(r"ended (\d+)\n", line):
                watch.cancel()
                return "".join(lines), int(ended.group(1))
            lines.append(line)
        raise Failure(f"`{text}` took more than {LIMIT} s, or ended the shell:\n{''.join(lines)[-2000:]}")

    def console(self, text):
        text = re.sub(r"\\\n", "", text)
        commands = re.split(r"^\$ ", text, flags=re.M)
        if commands[0].strip():
            raise Failure("a console block begins with a command, `$ …`")
        for part in commands[1:]:
            command, _, expected = part.partition("\n")
            printed, status = self.command(command)
            if status != 0:
                raise Failure(f"`{command}` ended with status {status}:\n{printed[-3000:]}")
            missing = matches(expected.splitlines(), printed)
            if missing is not None:
                raise Failure(f"`{command}` does not print the line\n{missing}\nbut\n{printed[-3000:]}")

    def run_python(self, text, expected):
        interpreter = self.start("python", [self.python, "-u", "-c", INTERPRETER])
        interpreter.stdin.write(json.dumps(text) + "\n")
        interpreter.stdin.flush()
        watch = threading.Timer(LIMIT, os.killpg, [interpreter.pid, signal.SIGKILL])
        watch.start()
        answer, other = None, []
        for line in interpreter.stdout:  # Lines of C libraries may come before the answer.
            try:
                answer = json.loads(line)
                break
            except json.JSONDecodeError:
                other.append(line)
        watch.cancel()
        if answer is None:
            raise Failure(f"Python ended, or took more than {LIMIT} s:\n{''.join(other)[-2000:]}")
        printed, fault = answer
        if fault:
            raise Failure(f"Python block: {fault[-3000:]}")
        missing = matches((expected or "").splitlines(), printed)
        if missing is not None:
            raise Failure(f"the Python block does not print the line\n{missing}\nbut\n{printed[-3000:]}")

    def recipe(self, text):
        """Lets the program read a part of a recipe in a complete one."""
        merged = completed(tomllib.loads(text))
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(toml_text(merged))
            file.flush()
            # An unknown device's name is refused after the recipe was read and checked.
            command = [sources.program(), "device", "serve", file.name, "--name", "nobody", "--stdio"]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if "name one of the recipe's devices" not in done.stderr:
            raise Failure(f"the program refuses this part of a recipe:\n{done.stderr}\n{toml_text(merged)}")


def completed(part):
    """A part of a recipe with what it lacks from a complete one, table by table; its devices are those of that one."""
    whole = tomllib.loads(RECIPE.read_text())
    merged = whole | part
    for table in ("training", "calibration"):
        merged[table] = whole.get(table, {}) | part.get(table, {})
    merged["devices"] = {
        name: entry | part.get("devices", {}).get(name, {}) for name, entry in whole["devices"].items()
    }
    if unknown := part.get("devices", {}).keys() - whole["devices"].keys():
        raise Failure(
            f"a part of a recipe names the devices {sorted(unknown)}; {RECIPE.name} has {sorted(whole['devices'])}"
        )
    return merged


def toml_text(recipe):
    return "".join(
        f"{json.dumps(key)} = {schema_pages.toml(value)}\n" for key, value in recipe.items() if value is not None
    )


def run(path, python, packages):
    """Runs the blocks of a page: how many ran and did not, or a failure with its place."""
    page, text = Page(python, packages), path.read_text()
    found = list(blocks(text))
    try:
        for place, (language, options, body, line) in enumerate(found):
            following = found[place + 1] if place + 1 < len(found) else ("", [], "", 0)
            file = next((option.removeprefix("file=") for option in options if option.startswith("file=")), None)
            if language not in ("console", "python", "toml", "sh", "c") or (
                language in ("sh", "c") and not file and "no_run" not in options
            ):
                if language in ("sh", "c"):
                    raise Failure(f"{path}:{line}: a block of {language} is a file, or `no_run`")
                continue
            if "no_run" in options:
                page.counts["not run"] += 1
                continue
            try:
                if file:
                    pathlib.Path(page.folder.name, page.command("pwd")[0].strip(), file).write_text(body)
                elif language == "console":
                    page.console(body)
                elif language == "python":
                    page.run_python(body, following[2] if following[0] == "output" else None)
                elif language == "toml":
                    page.recipe(body)
            except (Failure, tomllib.TOMLDecodeError) as failure:
                raise Failure(f"{path}:{line}: {failure}") from failure
            page.counts["run"] += 1
    finally:
        page.close()
    return page.counts


if __name__ == "__main__":
    python, packages, *pages = sys.argv[1:]
    for page in pages:
        print(page, run(pathlib.Path(page), python, packages))
