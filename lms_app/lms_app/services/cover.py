"""Covers for what has no picture: a pattern of plain shapes in the school's colours, the same one for the same text.

Pure: nothing here needs a site. The shapes take their colours from the page's custom properties, so light, dark and a
changed setting need no new drawing.
"""

import hashlib
from collections.abc import Iterator

TILE = 40
MOTIFS = ("Blocks", "Arcs")

# Each shape fills a tile of TILE x TILE; `{fill}` is a class of the page's stylesheet.
SHAPES = {
    "Arcs": (
        '<path class="{fill}" d="M0 0h20a20 20 0 0 1 20 20v20h-20a20 20 0 0 1-20-20z"/>',
        '<path class="{fill}" d="M0 0a40 40 0 0 1 40 40h-40z"/>',
        '<path class="{fill}" d="M0 20a20 20 0 0 1 40 0z"/>',
        '<circle class="{fill}" cx="20" cy="20" r="20"/>',
        '<circle class="{fill}" cx="20" cy="20" r="9"/>',
        '<path class="{fill}" d="M0 0c22 0 40 18 40 40c-22 0-40-18-40-40z"/>',
    ),
    "Blocks": (
        '<path class="{fill}" d="M0 0h40v40h-40z"/>',
        '<path class="{fill}" d="M0 0h40l-40 40z"/>',
        '<path class="{fill}" d="M0 0h20v20h20v20h-40z"/>',
        '<path class="{fill}" d="M0 4h40v6h-40zm0 13h40v6h-40zm0 13h40v6h-40z"/>',
        '<path class="{fill}" d="M14 14h12v12h-12z"/>',
        '<path class="{fill}" d="M0 0h20l20 20v20h-20l-20-20z"/>',
    ),
}
FILLS = ("c1", "c1", "c2", "c3", "c4")


def draw(text: str, motif: str, columns: int = 8, rows: int = 5) -> str:
    """Return the drawing as SVG for use inside a page; nothing of the text gets into it."""
    shapes = SHAPES.get(motif, SHAPES[MOTIFS[0]])
    numbers = _numbers(text)
    parts = []
    for row in range(rows):
        for column in range(columns):
            if next(numbers) % 7 == 0:
                continue
            shape = shapes[next(numbers) % len(shapes)].format(fill=FILLS[next(numbers) % len(FILLS)])
            turn = next(numbers) % 4 * 90
            place = f"translate({column * TILE} {row * TILE})" + (f" rotate({turn} 20 20)" if turn else "")
            parts.append(f'<g transform="{place}">{shape}</g>')
    size = f"0 0 {columns * TILE} {rows * TILE}"
    return (
        f'<svg class="cover" viewBox="{size}" preserveAspectRatio="xMidYMid slice" aria-hidden="true" '
        f'focusable="false">{"".join(parts)}</svg>'
    )


def _numbers(text: str) -> Iterator[int]:
    """Yield the same endless row of numbers, 0 to 255, for the same text."""
    block = hashlib.sha256(text.encode()).digest()
    while True:
        yield from block
        block = hashlib.sha256(block).digest()
