"""The repository, the built program, and what Rust sources say about themselves."""

import functools
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def program():
    """The built program: `TWINPROP`, or the one of Cargo's target folder, or the one on the path."""
    targets = [os.environ.get("CARGO_TARGET_DIR"), ROOT / "target", pathlib.Path.home() / "target"]
    built = [pathlib.Path(target) / "release/twinprop" for target in targets if target]
    found = os.environ.get("TWINPROP") or next((str(path) for path in built if path.is_file()), None)
    found = found or shutil.which("twinprop")
    if not found:
        raise SystemExit("twinprop is not built: run `cargo build --release`, or name the program in TWINPROP")
    return os.path.abspath(found)


@functools.cache
def output(*arguments):
    """What the program prints for `arguments`."""
    return subprocess.run([program(), *arguments], check=True, capture_output=True, text=True).stdout


def module_docs(path):
    """The documentation of a Rust module as Markdown, with its links to code as plain code."""
    lines = (ROOT / path).read_text().splitlines()
    text = "\n".join(line[3:].removeprefix(" ") for line in lines if line.startswith("//!"))
    if not text.strip():
        raise SystemExit(f"{path} has no module documentation")
    return plain(text)


def plain(text):
    """Rust documentation without its examples and without its links to code."""
    text = re.sub(r"^```(rust|no_run|ignore|)\n.*?^```\n?", "", text, flags=re.S | re.M)
    text = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)
    return re.sub(r"\[(`[^`\]]+`)\]", r"\1", text).strip()


@functools.cache
def rust_sources():
    """All Rust sources of the library's crates, by their paths."""
    folders = ["devices/src", "calibration/src", "src"]
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.rs"))]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


@functools.cache
def checks():
    """What each function that reads a recipe's number expects, in words: `positive` is a number above zero."""
    text = rust_sources()["devices/src/validate.rs"]
    functions = dict(re.findall(r"^pub fn (\w+).*?\{\n(.*?)^\}", text, flags=re.S | re.M))
    words = {}
    for name, body in functions.items():
        stated = re.search(r'"(?:expected )?((?:an?|any|0) [^"{]*?)(?:, found \{value\})?"', body)
        if stated:
            words[name] = re.sub(r"^an? ", "", stated.group(1))
    for name, body in functions.items():
        called = re.search(r"\b(\w+)\(deserializer\)", body)
        if name not in words and called and called.group(1) in words:
            words[name] = words[called.group(1)]
    return words


@functools.cache
def ranges():
    """The allowed values of the fields of recipes' structures, by structure and field."""
    found = {}
    for text in rust_sources().values():
        for name, body in re.findall(r"^pub (?:struct|enum) (\w+) \{\n(.*?)^\}", text, flags=re.S | re.M):
            fields = re.findall(
                r'deserialize_with = "validate::(\w+)"[^\n]*\)\]\n(?:\s*#\[[^\n]*\n)*\s*(?:pub )?(\w+):', body
            )
            found |= {(name, field): checks()[check] for check, field in fields if check in checks()}
            apart = re.findall(r'deserialize_with = "validate::(\w+)",\n.*?\)\]\n\s*(?:pub )?(\w+):', body, flags=re.S)
            found |= {
                (name, field): checks()[check]
                for check, field in apart
                if check in checks() and (name, field) not in found
            }
    return found


def variants(path, enum):
    """The variants of a Rust enum of errors: name, message, meaning."""
    body = re.search(rf"pub enum {enum} \{{\n(.*?)^\}}", rust_sources()[path], flags=re.S | re.M).group(1)
    pattern = r"((?:^    ///[^\n]*\n)+)((?:^    #\[cfg[^\n]*\n)?)^    #\[error\((.*?)\)\]\n    (\w+)"
    for docs, _, message, name in re.findall(pattern, body, flags=re.S | re.M):
        meaning = " ".join(line.strip().removeprefix("///").strip() for line in docs.splitlines())
        text = re.search(r'"((?:[^"\\]|\\.)*)"', message, flags=re.S)
        yield name, " ".join(text.group(1).split()) if text else "", plain(meaning)
