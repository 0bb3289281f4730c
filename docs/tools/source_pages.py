"""Pages made of the documentation of the Rust modules: equations, symbols and sources of devices, rules and twins."""

import re

import schema_pages
import sources

RULES = {
    "backpropagation": ("backpropagation.rs", ["pat", "in-silico", "ideal"]),
    "asymmetric": ("asymmetric.rs", ["asymmetric"]),
    "predictive-coding": ("predictive_coding.rs", ["predictive-coding"]),
    "feedback-alignment": ("feedback_alignment.rs", ["feedback-alignment"]),
    "direct-feedback": ("direct_feedback.rs", ["direct-feedback-alignment", "augmented-direct-feedback-alignment"]),
    "learned-plasticity": ("learned_plasticity.rs", ["learned-plasticity"]),
    "emstdp": ("emstdp/mod.rs", ["emstdp"]),
    "perturbation": ("perturbation.rs", ["spsa"]),
    "finite-differences": ("finite_differences.rs", ["finite-differences"]),
}
# The twins with equations of their own, by the file that has them.
TWINS = {"neural": "neural/mod.rs", "temporal": "temporal.rs", "hybrid": "hybrid.rs"}


def device_file(kind):
    """The module of a kind of simulated device."""
    found = [path for path in sources.rust_sources() if re.fullmatch(rf"devices/src/\w+/{kind}(/mod)?\.rs", path)]
    if len(found) != 1:
        raise SystemExit(f"the module of `{kind}` is not one file of devices/src: {found}")
    return found[0]


def device_page(kind):
    return f"# `{kind}`\n\n{below(sources.module_docs(device_file(kind)))}\n\n{schema_pages.page(f'device-{kind}')}"


def device_table():
    lines = ["| kind | what it is |", "|---|---|"]
    for kind in schema_pages.kinds():
        first = sources.module_docs(device_file(kind)).split("\n\n")[0]
        lines.append(f'| <a id="DeviceKind.{kind}"></a>[`{kind}`](device-{kind}.md) | {schema_pages.cell(first)} |')
    return "\n".join(lines)


def below(text):
    """Text with its headings two levels lower."""
    return re.sub(r"^#", "###", text, flags=re.M)


def rules_page():
    parts = []
    for name, (file, rules) in RULES.items():
        heading = ", ".join(f"`{rule}`" for rule in rules)
        parts += [f"## {heading} {{#rule-{name}}}", "", below(sources.module_docs(f"src/rules/{file}")), ""]
    return "\n".join(parts)


def twins_page():
    parts = []
    for name, file in TWINS.items():
        parts += [f"## The equation of a `{name}` twin", "", below(sources.module_docs(f"calibration/src/{file}")), ""]
    return "\n".join(parts)
