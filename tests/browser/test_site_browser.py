"""The documentation's site, built as `make site` builds it: no link leads nowhere, and no page fetches anything from
elsewhere, neither by what stands in it nor in a real browser."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Dict, Iterator, List, Tuple
from urllib.parse import unquote, urldefrag

import pytest
from chromium import Chromium

ROOT = Path(__file__).resolve().parents[2]
OPENED = ("index.html", "tutorial/index.html", "language/index.html", "errors/index.html")


def build(docs: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """As `make site` does it. Without `--quiet`: with it `--strict` does not see warnings."""
    config = docs / "mkdocs.yml"
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-f",
        str(config),
        "--site-dir",
        str(folder),
    ]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=docs, env=environment, capture_output=True, encoding="utf-8")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("material") is None:
        pytest.skip("mkdocs-material is not installed: `make site` installs it")
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.usefixtures("site")
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    for folder in ("docs", "schemas"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "benchmarks").mkdir()
    for name in ("mkdocs.yml", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    links = ("nowhere.md", "cli.md#not-there", "../SECURITY.md#not-there-either", "../schemas/none.json")
    with (tmp_path / "docs" / "alerts.md").open("a", encoding="utf-8") as page:
        page.writelines(f"\n[a link]({link})\n" for link in links)
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == 1, done.stderr
    for name in ("nowhere.md", "#not-there'", "#not-there-either'", "none.json"):
        assert name in done.stderr, done.stderr
    assert done.stderr.count("WARNING") == len(links), done.stderr


class Parts(HTMLParser):
    """What a page names: links, what it loads by itself, and the ids that links may lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: List[str] = []
        self.loads: List[str] = []
        self.ids = {""}

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, object]]) -> None:
        named: Dict[str, str] = {name: str(value) for name, value in attrs if value is not None}
        self.ids.add(named.get("id", ""))
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        elif tag == "link" and named.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(named["href"])
        elif tag != "a":
            self.loads += [named[name] for name in ("src", "srcset", "data", "poster") if name in named]


def parts(site: Path) -> Dict[Path, Parts]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = Parts()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_no_link_leads_nowhere_and_no_page_loads_from_elsewhere(site: Path) -> None:
    pages = parts(site)
    assert len(pages) > 30
    for path, page in pages.items():
        for address in page.loads:
            assert not re.match(r"\w+:|//", address) or address.startswith("data:"), (path, address)
        if path.name == "404.html":
            continue
        for address in page.links:
            if re.match(r"https?:|mailto:", address):
                continue
            name, anchor = urldefrag(unquote(address))
            target = (path.parent / name).resolve() if name else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), (path, address)
            assert target not in pages or anchor in pages[target].ids, (path, address)
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//|@import", style.read_text(encoding="utf-8")), (
            style
        )


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where a server of this test's own serves the site."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        timeout = 3
        """Seconds: a browser opens connections in store, and their threads must not outlive this test for long."""

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_a_browser_fetches_nothing_from_elsewhere(browser: Chromium, address: str) -> None:
    for scheme in ("light", "dark"):
        for page in OPENED:
            browser.open(address + page, scheme=scheme)
            said = [line for line in browser.said() if not line.startswith(f"request: {address}")]
            assert said == [], page
            assert browser.evaluate("document.querySelector('h1').offsetHeight > 0"), page


def test_the_search_finds_what_is_looked_for(browser: Chromium, address: str) -> None:
    browser.open(address + "index.html")
    browser.evaluate(
        "(() => { const q = document.querySelector('[data-md-component=search-query]');"
        " document.querySelector('#__search').click(); q.focus(); q.value = 'checkpoint';"
        " q.dispatchEvent(new KeyboardEvent('keyup', {bubbles: true})); })()"
    )
    browser.until("document.querySelectorAll('.md-search-result__item').length > 0")
    assert "checkpoint" in browser.evaluate("document.querySelector('.md-search-result__list').textContent")
    assert [line for line in browser.said() if not line.startswith(f"request: {address}")] == []


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_its_screen(browser: Chromium, address: str, width: int) -> None:
    for page in OPENED:
        browser.open(address + page, width=width)
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(browser: Chromium, address: str, axe: str, scheme: str) -> None:
    """What axe-core calls serious; of our own pages, not of the theme's frame around them. (That long lines can be scrolled
    to without a mouse is the theme's care: its script does so where a pointer can hover, which a headless browser's can't.)"""
    ask = (
        "axe.run('.md-content', {rules: {'scrollable-region-focusable': {enabled: false}}}).then((found) => found.violations"
        ".filter((one) => ['serious', 'critical'].includes(one.impact))"
        ".map((one) => [one.id, one.nodes.length, one.nodes[0].html, one.nodes[0].failureSummary]))"
    )
    for page in ("index.html", "tutorial/index.html", "keys/index.html"):
        browser.open(address + page, scheme=scheme)
        browser.evaluate(axe)
        assert browser.evaluate(ask) == [], page
