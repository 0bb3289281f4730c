"""Pages of the Python package: its public names with their signatures and docstrings."""

import ast
import functools
import re

import sources

PACKAGE = sources.ROOT / "python/package/twinprop"

# The pages: title, and the modules whose public names stand there.
PAGES = {
    "devices": ("Devices and channels", ["devices", "channels"]),
    "twins": ("Calibration and twins", ["calibration", "own_twin", "own_twin/model"]),
    "training": ("Networks and training", ["network", "training"]),
    "runs": ("Runs and their history", ["runs", "history", "plots", "live_view"]),
    "torch": ("PyTorch", ["torch"]),
    "jax": ("JAX", ["jax"]),
    "sklearn": ("scikit-learn", ["sklearn"]),
    "rig": ("A rig without the package", ["rig"]),
}
# Modules whose names are used with the module's own name; the others' are used as `twinprop.NAME`.
OWN_NAMES = {"torch": "twinprop.torch", "jax": "twinprop.jax", "sklearn": "twinprop.sklearn", "rig": "twinprop.rig"}
# What a script takes from the rig helper, which has no `__all__`, and the methods that it calls.
RIG_NAMES = ["bank", "raster", "complex_bank", "rig"]
RIG_METHODS = ["safe", "twin", "serve", "stop"]


@functools.cache
def module(name):
    path = PACKAGE / f"{name}.py"
    return ast.parse((path if path.is_file() else PACKAGE / name / "__init__.py").read_text())


def all_of(tree):
    """The names in a module's `__all__`, without those of other modules that it unpacks."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return [item.value for item in node.value.elts if isinstance(item, ast.Constant)]
    return []


@functools.cache
def public():
    """Every public name of the package with its page: `{"twinprop.train": "training"}`."""
    exported = set(all_of(module("__init__")))
    names = {}
    for page, (_, modules) in PAGES.items():
        for name in modules:
            own = OWN_NAMES.get(name)
            found = (
                RIG_NAMES
                if name == "rig"
                else all_of(module(name))
                if own
                else [public_name for public_name in defined(name) if public_name in exported]
            )
            names |= {f"{own or 'twinprop'}.{public_name}": page for public_name in found}
    return names


def defined(name):
    return {node.name: node for node in module(name).body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}


def docstring(node):
    """A docstring as Markdown: examples of a console in fences."""
    text = ast.get_docstring(node) or ""
    return re.sub(
        r"((?:^(?:>>>|\.\.\.)[^\n]*\n?(?:^(?!>>>|$)[^\n]+\n?)*)+)",
        lambda m: f"```pycon\n{m.group(1).rstrip()}\n```\n",
        text,
        flags=re.M,
    )


def signature(node, skip_self):
    arguments = ast.parse(f"def f({ast.unparse(node.args)}): ...").body[0].args
    if skip_self and arguments.args:
        arguments.args = arguments.args[1:]
    for argument in [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
        if argument:
            argument.annotation = None
    return ast.unparse(arguments)


def decorators(node):
    return {ast.unparse(decorator) for decorator in node.decorator_list}


def members(node):
    """The public methods, properties and documented attributes of a class: heading and text."""
    body = node.body
    init = next((item for item in body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None)
    for place in [body, init.body if init else []]:
        for target, text in zip(place, place[1:]):
            if (
                isinstance(target, (ast.AnnAssign, ast.Assign))
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                named = target.target if isinstance(target, ast.AnnAssign) else target.targets[0]
                name = named.attr if isinstance(named, ast.Attribute) else named.id
                if not name.startswith("_"):
                    yield name, f"`{name}`", str(text.value.value)
    for item in body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_") and ast.get_docstring(item):
            is_property = "property" in decorators(item)
            form = (
                f"`{item.name}`"
                if is_property
                else f"`{item.name}({signature(item, 'staticmethod' not in decorators(item))})`"
            )
            yield item.name, form, docstring(item)


def entry(name, node):
    short = name.rsplit(".", 1)[1]
    is_class = isinstance(node, ast.ClassDef)
    init = (
        next((item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None)
        if is_class
        else None
    )
    is_made = init and "Made by" not in (ast.get_docstring(node) or "")  # Others are made by a function.
    arguments = signature(init, True) if is_made else "" if is_class else signature(node, False)
    lines = [
        f"## `{name}` {{#{name}}}",
        "",
        f"```python\n{short}({arguments})\n```" if arguments or not is_class else "",
        "",
        docstring(node),
        "",
    ]
    for member, form, text in members(node) if is_class else []:
        first, *rest = text.strip().split("\n\n")
        lines += [
            f'- <a id="{name}.{member}"></a>{form}: {" ".join(first.split())}',
            *[_indented(part) for part in rest],
        ]
    return "\n".join([*lines, ""])


def _indented(text):
    return "\n" + "\n".join(f"  {line}" for line in text.splitlines())


def page(name):
    """The entries of a page."""
    lines = []
    for module_name in PAGES[name][1]:
        if module_name in OWN_NAMES:
            about = ast.get_docstring(module(module_name)) or ""
            lines += [f"```text\n{about}\n```" if module_name == "rig" else about, ""]
    for full, place in public().items():
        if place == name:
            node = next(
                defined(m)[full.rsplit(".", 1)[1]] for m in PAGES[name][1] if full.rsplit(".", 1)[1] in defined(m)
            )
            lines.append(entry(full, node))
    if name == "rig":
        methods = [
            item
            for item in defined("rig")["Device"].body
            if isinstance(item, ast.FunctionDef) and item.name in RIG_METHODS
        ]
        lines += ["## The decorated function {#rig-device}", "", "`measure` is the function below `@rig(…)`.", ""]
        lines += [
            f'- <a id="twinprop.rig.{m.name}"></a>`measure.{m.name}({signature(m, True)})`: {" ".join((ast.get_docstring(m) or "").split())}'
            for m in methods
        ]
    return "\n".join(lines)


def errors():
    """The exceptions: name, classes above it, meaning."""
    for name, node in defined("errors").items():
        yield name, [ast.unparse(base) for base in node.bases], ast.get_docstring(node) or ""
