"""mdBook's preprocessor: fills the places `<!-- generated: NAME -->`, and adds the pages of the reference."""

import base64
import json
import os
import pathlib
import re
import sys

import command_page
import errors_page
import python_pages
import schema_pages
import source_pages
import sources
import tasks_table

SOURCE = sources.ROOT / "docs/src"
REPOSITORY = "https://github.com/twinprop/twinprop/blob/main"


def recipe_keys():
    """The keys at the top of a recipe."""
    schema = schema_pages.schema()
    rows = [schema_pages.HEAD]
    for key, part in schema["properties"].items():
        rows.append(schema_pages.row("Recipe", key, part, schema["required"]))
    return "\n".join(rows)


PLACES = {
    "recipe-keys": recipe_keys,
    "command-line": command_page.page,
    "errors": errors_page.page,
    "devices": source_pages.device_table,
    "tasks": tasks_table.table,
    "kinds": tasks_table.kinds,
}


def filled(text):
    return re.sub(r"<!-- generated: ([a-z-]+) -->", lambda place: PLACES[place.group(1)](), text)


def pages_below(path):
    """The pages that are added below a page of the summary: name of the file, title, text."""
    if path == "reference/recipe.md":
        for name, (title, _) in schema_pages.PAGES.items():
            text = f"# {title}\n\n{schema_pages.page(name)}"
            if name == "rules":
                text = f"# {title}\n\n{source_pages.rules_page()}\n{schema_pages.page(name)}"
            if name == "twins":
                text += "\n" + source_pages.twins_page()
            if name == "devices":
                text += "\nThe simulated devices: [Simulated devices](simulated-devices.md).\n"
            yield f"reference/{name}.md", title, text
    elif path == "reference/simulated-devices.md":
        for kind in schema_pages.kinds():
            yield f"reference/device-{kind}.md", kind, source_pages.device_page(kind)
    elif path == "reference/python.md":
        for name, (title, _) in python_pages.PAGES.items():
            yield f"reference/python-{name}.md", title, f"# {title}\n\n{python_pages.page(name)}"


LINK = re.compile(r"(!?)\[([^\]]*)\]\(((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")


def outside(text, path):
    """Text whose links to files of the repository outside the book lead to their pages there; its figures are built in."""

    def moved(found):
        is_image, words, target, heading = found.groups()
        file = pathlib.Path(os.path.normpath(SOURCE / pathlib.Path(path).parent / target))
        if file.is_relative_to(SOURCE):
            return found.group()
        if not file.exists():
            raise SystemExit(f"{path} links to {target}, a file that does not exist")
        if is_image:
            data = base64.b64encode(file.read_bytes()).decode()
            return f"![{words}](data:image/svg+xml;base64,{data})"
        return f"[{words}]({REPOSITORY}/{file.relative_to(sources.ROOT)}{heading or ''})"

    return LINK.sub(moved, text)


def chapters(items):
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter is None:
            continue
        chapters(chapter["sub_items"])
        chapter["content"] = outside(filled(chapter["content"]), chapter["path"])
        for place, (path, title, text) in enumerate(pages_below(chapter["path"]), 1):
            chapter["sub_items"].append(
                {
                    "Chapter": {
                        "name": title,
                        "content": text,
                        "number": [*(chapter["number"] or []), place],
                        "sub_items": [],
                        "path": path,
                        "source_path": None,
                        "parent_names": [*chapter["parent_names"], chapter["name"]],
                    }
                }
            )


def main():
    if sys.argv[1:2] == ["supports"]:
        return
    _, book = json.load(sys.stdin)
    chapters(book["items"] if "items" in book else book["sections"])
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()
