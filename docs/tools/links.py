"""The links of the built book: every target inside it exists, and every one to the repository too."""

import html.parser
import pathlib
import re
import urllib.parse

import preprocess
import sources


class Parsed(html.parser.HTMLParser):
    """Ids and links of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.in_main = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == "main":
            self.in_main = 1
        if named.get("id"):
            self.ids.append(named["id"])
        if self.in_main and tag == "a" and named.get("href"):
            self.links.append(named["href"])
        if self.in_main and tag == "img" and not named.get("src", "").startswith("data:"):
            self.links.append(named["src"])

    def handle_endtag(self, tag):
        if tag == "main":
            self.in_main = 0


def pages(book):
    """The pages of a built book by their paths in it."""
    found = {}
    for path in sorted(book.rglob("*.html")):
        name = str(path.relative_to(book))
        if name not in ("print.html", "404.html", "toc.html", "index.html"):
            found[name] = Parsed(path.read_text())
    return found


def slug(heading):
    """A heading's anchor, as GitHub makes it."""
    words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return words.replace(" ", "-")


def headings(path):
    return {slug(line.lstrip("#")) for line in path.read_text().splitlines() if line.startswith("#")}


def check(book):
    """Returns the number of links, of those to other sites, and the faults."""
    found, faults, count, elsewhere = pages(book), [], 0, 0
    for name, page in found.items():
        doubled = {anchor for anchor in page.ids if page.ids.count(anchor) > 1}
        faults += [f"{name} has the id {anchor} twice" for anchor in sorted(doubled)]
        for link in page.links:
            count += 1
            target, _, heading = link.partition("#")
            heading = urllib.parse.unquote(heading)
            if target.startswith(preprocess.REPOSITORY):
                file = sources.ROOT / target.removeprefix(preprocess.REPOSITORY).strip("/")
                if not file.exists() or heading and heading not in headings(file):
                    faults.append(f"{name} links to {link}, which the repository does not have")
            elif "://" in target or target.startswith("mailto:"):
                elsewhere += 1
            else:
                path = name if not target else str(pathlib.PurePosixPath(name).parent / urllib.parse.unquote(target))
                path = str(pathlib.Path("/", path).resolve().relative_to("/"))
                if path not in found and not (book / path).is_file():
                    faults.append(f"{name} links to {link}, a page that does not exist")
                elif heading and path in found and heading not in found[path].ids:
                    faults.append(f"{name} links to {link}, an anchor that does not exist")
    return len(found), count, elsewhere, faults
