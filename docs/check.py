"""Builds the book and checks it: links, code blocks, the README's as well, and that the reference is whole.

    python3 docs/check.py [--python PYTHON] [--packages FOLDER] [--only PAGE]

`PYTHON` is an interpreter with the package twinprop, NumPy and PyTorch: Python blocks run in it. `FOLDER` is searched for
packages as well. Without `--python`, pages with Python blocks are not run, and that is counted. It needs mdBook, a C
compiler and the built program (`TWINPROP`, or Cargo's target folder); nothing is left in the repository.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

DOCS = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "tools"))

import blocks  # noqa: E402
import coverage  # noqa: E402
import links  # noqa: E402
import sources  # noqa: E402


def build(folder):
    """Builds the book in `folder`; a warning of mdBook is a fault."""
    mdbook = shutil.which("mdbook")
    if not mdbook:
        raise SystemExit("mdbook is not installed: `cargo install mdbook --locked`")
    environment = {**os.environ, "TWINPROP": sources.program()}
    done = subprocess.run(
        [mdbook, "build", str(DOCS), "--dest-dir", str(folder)], env=environment, capture_output=True, text=True
    )
    said = done.stdout + done.stderr
    if done.returncode or "WARN" in said or "ERROR" in said:
        raise SystemExit(f"mdbook: {said}")


def run_page(path, arguments):
    """Counts of a page's blocks, and its fault, if it has one."""
    start = time.monotonic()
    needs_python = any(
        language == "python" and "no_run" not in options for language, options, *_ in blocks.blocks(path.read_text())
    )
    if needs_python and not arguments.python:
        found = list(blocks.blocks(path.read_text()))
        return (
            path,
            {"run": 0, "not run": sum(language in ("console", "python", "toml", "c") for language, *_ in found)},
            None,
            0.0,
        )
    try:
        return (
            path,
            blocks.run(path, arguments.python or sys.executable, arguments.packages),
            None,
            time.monotonic() - start,
        )
    except blocks.Failure as failure:
        return path, {"run": 0, "not run": 0}, str(failure), time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--python", help="interpreter for the Python blocks")
    parser.add_argument("--packages", help="further folder of Python packages")
    parser.add_argument("--only", help="run the blocks of the pages whose path has this text, and nothing else")
    arguments = parser.parse_args()
    faults, summary = [], []
    if not arguments.only:
        with tempfile.TemporaryDirectory(prefix="book-") as folder:
            build(pathlib.Path(folder))
            count, all_links, elsewhere, broken = links.check(pathlib.Path(folder))
            counts, missing = coverage.check(links.pages(pathlib.Path(folder)), arguments.python, arguments.packages)
        faults += broken + missing
        summary += [
            f"{count} pages, {all_links} links ({elsewhere} to other sites, not followed)",
            ", ".join(f"{number} {kind}" for kind, number in counts.items()) + " compared",
        ]
    pages = sorted([DOCS.parent / "README.md", *(DOCS / "src").rglob("*.md")])
    pages = [path for path in pages if (arguments.only or "") in str(path)]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda path: run_page(path, arguments), pages))
    for path, counts, fault, seconds in done:
        if seconds > 1:
            print(f"{path.relative_to(DOCS.parent)}: {counts['run']} blocks in {seconds:.0f} s")
        if fault:
            faults.append(fault)
    run, not_run = (sum(counts[kind] for _, counts, _, _ in done) for kind in ("run", "not run"))
    for fault in faults:
        print(f"FAULT: {fault}")
    print("; ".join([*summary, f"{run} blocks run, {not_run} not run", f"{len(faults)} faults"]))
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
