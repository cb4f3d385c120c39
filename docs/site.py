"""What mkdocs needs beside the pages in docs/: the project's own pages and the schemas, which stand elsewhere.

Links are written as GitHub and editors follow them, from file to file of the repository; here they are made links
from page to page of the site.
"""

from __future__ import annotations

import os
import posixpath
import re
from glob import glob
from typing import Any, Dict

from mkdocs.structure.files import File, Files

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = {
    "benchmarks/README.md": "project/benchmarks.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
}
"""Files of the repository outside docs/ that are pages of the site, and where."""
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
LEFT = {page: path for path, page in PAGES.items()}


def on_config(config: Any) -> Any:
    """Name each decision in the navigation, so that whoever writes one need not."""
    names = sorted(os.path.basename(path) for path in glob(os.path.join(ROOT, "docs", "decisions", "*.md")))
    for section in config.nav:
        for pages in section.values():
            for page in pages if isinstance(pages, list) else ():
                if "Decisions" in page:
                    page["Decisions"] = [f"decisions/{name}" for name in names]
    return config


def on_files(files: Files, config: Any) -> Files:
    for path, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=os.path.join(ROOT, path)))
    for path in sorted(glob(os.path.join(ROOT, "schemas", "*.json"))):
        files.append(File.generated(config, f"schemas/{os.path.basename(path)}", abs_src_path=path))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    here = page.file.src_uri
    theirs = LEFT.get(here, "docs/" + here)

    def on_site(found: Any) -> str:
        text, target, anchor = found.group(1), found.group(2), found.group(3) or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(theirs), target))
        link = posixpath.relpath(site_path(path), posixpath.dirname(here) or ".")
        return f"[{text}]({link}{anchor})"

    return LINK.sub(on_site, markdown)


def site_path(path: str) -> str:
    """Where a file of the repository stands in the site."""
    places: Dict[str, str] = PAGES
    return places.get(path) or (path[len("docs/") :] if path.startswith("docs/") else path)
