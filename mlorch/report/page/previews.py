"""The beginning of a file as a preview: read from its bytes, then drawn.

Nothing is executed: an SVG stands in an `<img>`, where no script runs and nothing is fetched; Markdown is rendered
without HTML, images and unsafe links; tables and texts are cut and escaped. Parquet needs pyarrow, which must be one
that does not unpickle what a file's schema names (14.0.1, CVE-2023-47248).
"""

from __future__ import annotations

import base64
import csv
import io
import json
import posixpath
from dataclasses import replace
from typing import Any, Callable, Dict, List, Sequence, Tuple

from mlorch.digest import tag_floats
from mlorch.report.page import limits
from mlorch.report.page.html import cut, lines, sentences, table, text
from mlorch.report.page.model import Preview
from mlorch.report.style import bytes_text

MAGIC = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
SUFFIXES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
SAFE_PYARROW = (14, 0, 1)


def can_preview(path: str) -> bool:
    return suffix(path) in READERS


def suffix(path: str) -> str:
    return posixpath.splitext(path)[1].lower()


def read(path: str, data: bytes) -> Preview:
    """The preview of a file's bytes; a note where it is not what its suffix says. Never raises for what it holds."""
    reader = READERS.get(suffix(path))
    if reader is None:
        return Preview(path, "", len(data), note="there is no preview of such a file")
    try:
        return reader(path, data)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError, csv.Error) as error:
        return Preview(
            path, "", len(data), note=f"it can't be shown: {cut(str(error), 120) or 'not readable'}"
        )


def refused(path: str, size: int, why: str) -> Preview:
    return Preview(path, "", size, note=why)


# ------------------------------------------------------------------------------------------------- reading


def _image(path: str, data: bytes) -> Preview:
    media = SUFFIXES[suffix(path)]
    if len(data) > limits.IMAGE_BYTES:
        most = bytes_text(limits.IMAGE_BYTES)
        return refused(
            path, len(data), f"it is left out: {bytes_text(len(data))} is more than the {most} of an image"
        )
    if media == "image/svg+xml":
        if b"<svg" not in data[:4096]:
            return refused(path, len(data), "it is no SVG")
    elif not data.startswith(MAGIC[media]):
        return refused(path, len(data), f"it is no {media[6:].upper()} file")
    return Preview(path, "image", len(data), media=media, data=data)


def _table(path: str, data: bytes) -> Preview:
    """Head of a CSV or TSV file; the line ends inside quotes are its own."""
    part = data[: limits.TEXT_BYTES * 40]
    decoded = part.decode("utf-8-sig", "replace")
    delimiter = "\t" if suffix(path) == ".tsv" else _delimiter(decoded)
    rows: List[Tuple[str, ...]] = []
    for row in csv.reader(io.StringIO(decoded, newline=""), delimiter=delimiter):
        rows.append(tuple(row))
        if len(rows) > limits.ROWS:
            break
    total = data.count(b"\n") + (not data.endswith(b"\n")) if data else 0
    return _head(path, len(data), rows, total - 1 if rows else 0, "about ")


def _delimiter(decoded: str) -> str:
    first = decoded.split("\n", 1)[0]
    return max(",;\t|", key=first.count) if first else ","


def _head(path: str, size: int, rows: Sequence[Tuple[str, ...]], total: int, about: str = "") -> Preview:
    if not rows:
        return refused(path, size, "it is empty")
    wide = max(len(row) for row in rows)
    found = tuple(
        tuple(cut(cell, limits.CELL) for cell in (*row, *[""] * wide)[: min(wide, limits.COLUMNS)])
        for row in rows[: limits.ROWS + 1]
    )
    parts = []
    if total > len(found) - 1:
        parts.append(f"the first {len(found) - 1} of {about}{total} rows")
    if wide > limits.COLUMNS:
        parts.append(f"the first {limits.COLUMNS} of {wide} columns")
    return Preview(path, "table", size, rows=found, note=", ".join(parts))


def _parquet(path: str, data: bytes) -> Preview:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return refused(path, len(data), "to see Parquet files here, install pyarrow where mlorch is")
    if _version(pyarrow.__version__) < SAFE_PYARROW:
        return refused(
            path, len(data), "pyarrow before 14.0.1 may run code that a file brings: install a later one"
        )
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(data))
        columns = file.schema_arrow.names
        batch = next(file.iter_batches(limits.ROWS, columns=columns[: limits.COLUMNS]), None)
    except (pyarrow.ArrowException, OSError) as error:
        return refused(path, len(data), f"it can't be read as Parquet: {cut(str(error), 120)}")
    values = (
        [batch.column(index).to_pylist() for index in range(batch.num_columns)] if batch is not None else []
    )
    # the cut names of all columns, so that the note can say how many there are
    rows = [tuple(columns), *(tuple(_cell(item) for item in row) for row in zip(*values))]
    return _head(path, len(data), rows, file.metadata.num_rows)


def _version(words: str) -> Tuple[int, ...]:
    return tuple(int(word) for word in words.split(".")[:3] if word.isdigit())


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _json(path: str, data: bytes) -> Preview:
    if len(data) > limits.TEXT_BYTES * 40:
        return _text(path, data)
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return replace(_text(path, data), note=f"it is not valid JSON: {cut(str(error), 120)}")
    shown = json.dumps(tag_floats(value), indent=2, ensure_ascii=False)
    return _beginning(path, len(data), shown)


def _text(path: str, data: bytes) -> Preview:
    shown = data[: limits.TEXT_BYTES * 4].decode("utf-8", "replace")
    return _beginning(path, len(data), shown, cut_already=len(data) > limits.TEXT_BYTES * 4)


def _markdown(path: str, data: bytes) -> Preview:
    shown = _text(path, data)
    return Preview(path, "markdown", len(data), text=shown.text, note=shown.note)


def _beginning(path: str, size: int, shown: str, cut_already: bool = False) -> Preview:
    if not shown:
        return refused(path, size, "it is empty")
    all_lines = shown.split("\n")
    kept: List[str] = []
    used = 0
    for line in all_lines[: limits.TEXT_LINES]:
        used += len(line) + 1
        if kept and used > limits.TEXT_BYTES:
            break
        kept.append(line)
    left = cut_already or len(kept) < len([line for line in all_lines if line]) or used > limits.TEXT_BYTES
    note = f"the first {len(kept)} lines of {bytes_text(size)}" if left else ""
    return Preview(path, "text", size, text="\n".join(kept)[: limits.TEXT_BYTES], note=note)


READERS: Dict[str, Callable[[str, bytes], Preview]] = {
    **dict.fromkeys(SUFFIXES, _image),
    **dict.fromkeys((".csv", ".tsv"), _table),
    **dict.fromkeys((".parquet", ".pq"), _parquet),
    **dict.fromkeys((".json",), _json),
    **dict.fromkeys((".md", ".markdown"), _markdown),
    **dict.fromkeys((".txt", ".jsonl", ".yaml", ".yml", ".toml", ".log"), _text),
}


# ------------------------------------------------------------------------------------------------- drawing


def draw(preview: Preview) -> str:
    """A figure with the file's name, what is shown of it, and what is not."""
    body = ""
    if preview.kind == "image":
        data = base64.b64encode(preview.data).decode("ascii")
        label = text(f"{posixpath.basename(preview.path)}, as the step drew it", 120)
        body = f'<img src="data:{preview.media};base64,{data}" alt="{label}" decoding="async">'
    elif preview.kind == "table":
        head, rows = preview.rows[0], [[text(cell, limits.CELL) for cell in row] for row in preview.rows[1:]]
        body = table(head, rows, name=f"beginning of {preview.path}")
    elif preview.kind == "markdown":
        body = markdown(preview.text)
    elif preview.kind == "text":
        body = pre(preview.text.split("\n"), f"beginning of {preview.path}")
    size = f" <small>{bytes_text(preview.size)}</small>" if preview.size else ""
    return (
        f'<figure class="preview"><figcaption><code>{text(preview.path)}</code>{size}</figcaption>'
        f"{body}{sentences([preview.note] if preview.note else [])}</figure>"
    )


def pre(found: Sequence[str], label: str) -> str:
    return f'<pre tabindex="0" role="group" aria-label="{text(label, 120)}">{lines(found)}</pre>'


def markdown(source: str) -> str:
    """Markdown as HTML: what is HTML in it is shown as text, images as their words, headings below those of the page.

    markdown-it-py comes with Rich; without it the text is shown as it is.
    """
    try:
        from markdown_it import MarkdownIt
    except ImportError:
        return pre(source.split("\n"), "Markdown")
    from mlorch.report.style import PLAIN

    clean = "\n".join(PLAIN.clean(line) for line in source.expandtabs(4).split("\n"))
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable("table").disable("image")
    tokens = parser.parse(clean)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h5" if token.tag > "h1" else "h4"
        for child in token.children or ():
            if child.type == "link_open":
                _make_inert(child)
    body = parser.renderer.render(tokens, parser.options, {})
    return f'<div class="markdown" tabindex="0" role="group" aria-label="Markdown">{body}</div>'


def _make_inert(token: Any) -> None:
    """A link that leads out says nothing about where it was clicked, and one that is no web address leads nowhere."""
    address = str(token.attrGet("href") or "")
    if address.startswith(("https://", "http://", "mailto:")):
        token.attrSet("rel", "noreferrer noopener")
    else:
        token.attrs.pop("href", None)
