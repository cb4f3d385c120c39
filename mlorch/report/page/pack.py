"""Where a page has many details, they are packed: gzip in base64, unpacked by the page's script where they are opened.

HTML of details repeats itself, so that a tenth of it is left; and what is not opened is never parsed.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import List

from mlorch.report.page.limits import BLOCK_BYTES, INLINE_BYTES

MARK = "\x00{}\x00"
"""Stands for a piece until it is known whether all of them fit; no text in a page holds a NUL."""


PACKED = "<!--packed-->"
"""Where in the page packed pieces stand."""


class Pack:
    """Takes pieces of HTML, then puts them into the page: as they are, or packed."""

    def __init__(self) -> None:
        self._pieces: List[str] = []

    def hold(self, piece: str) -> str:
        self._pieces.append(piece)
        return MARK.format(len(self._pieces) - 1)

    @property
    def packed(self) -> bool:
        return sum(map(len, self._pieces)) > INLINE_BYTES

    def fill(self, page: str) -> str:
        """The page with all pieces in it, and what is packed at its end."""
        blocks: List[List[str]] = []
        size = BLOCK_BYTES
        parts = page.split("\x00")
        for index in range(1, len(parts), 2):
            piece = self._pieces[int(parts[index])]
            if not self.packed:
                parts[index] = piece
                continue
            if size >= BLOCK_BYTES:
                blocks.append([])
                size = 0
            size += len(piece)
            blocks[-1].append(piece)
            parts[index] = f'<p data-p="{len(blocks) - 1}.{len(blocks[-1]) - 1}">'
        scripts = "".join(
            f'<script type="text/plain" id="p{i}">{_packed(block)}</script>\n'
            for i, block in enumerate(blocks)
        )
        return "".join(parts).replace(PACKED, scripts)


def _packed(pieces: List[str]) -> str:
    data = json.dumps(pieces).encode("ascii")
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")
