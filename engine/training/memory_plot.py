"""The cases that memory.py measures, as an SVG: peak memory by length, both axes logarithmic."""

import math

LAYERS, HEADS = 64, 4  # of the announced table
WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 62, 250, 20, 46  # margins; the legend lies in the right one
LOWEST, HIGHEST = 0.01, 1000  # GiB
LINES = {  # (attention, recompute): name, colour, dashes
    ("announced", False): ("announced: matrices, kept", "#999999", "6 4"),
    ("announced", True): ("announced: recomputed", "#999999", "2 3"),
    ("matrices", False): ("matrices, kept", "#c0392b", ""),
    ("matrices", True): ("matrices, recomputed", "#e59866", ""),
    ("pattern", False): ("strided : local, kept", "#1f618d", ""),
    ("pattern", True): ("strided : local, recomputed", "#5dade2", ""),
}


def announced(n, recompute):
    """GiB of the n x n float32 attention matrices: of all layers, or of one at a time."""
    return (1 if recompute else LAYERS) * HEADS * n * n * 4 / 2**30


def lines_of(cases):
    """{(attention, recompute): [(n, GiB)]}, the announced ones among them, by length. cases: as in
    memory.py's --json; those that did not fit are left out."""
    lines = {key: [] for key in LINES}
    for n in sorted({case["n"] for case in cases}):
        for recompute in (False, True):
            lines["announced", recompute].append((n, announced(n, recompute)))
    for case in sorted(cases, key=lambda case: case["n"]):
        if case["gib"] is not None:
            lines[case["attention"], case["recompute"]].append((case["n"], case["gib"]))
    return lines


class _Axes:
    def __init__(self, lengths):
        self.lengths = lengths
        self.least, self.most = math.log(min(lengths)), math.log(max(lengths))

    def x(self, n):
        share = (math.log(n) - self.least) / max(self.most - self.least, 1e-9)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, gib):
        share = math.log(gib / LOWEST) / math.log(HIGHEST / LOWEST)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def grid(self):
        for power in range(round(math.log10(LOWEST)), round(math.log10(HIGHEST)) + 1):
            y, label = self.y(10**power), f"{10**power:g}"
            yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        for n in self.lengths:
            yield f'<path d="M{self.x(n):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eeeeee"/>'
            yield f'<text x="{self.x(n):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{n:,}</text>'
        middle = (LEFT + WIDTH - RIGHT) / 2
        yield f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">tokens in a sequence</text>'
        yield f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">GiB</text>'


def _line(axes, points, colour, dashes):
    path = "L".join(f"{axes.x(n):.1f} {axes.y(gib):.1f}" for n, gib in points)
    yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
    for n, gib in points:
        yield (
            f'<circle cx="{axes.x(n):.1f}" cy="{axes.y(gib):.1f}" r="3" fill="{colour}">'
            f"<title>{n:,} tokens: {gib:.3g} GiB</title></circle>"
        )


def draw(cases):
    """The SVG's text."""
    lines = lines_of(cases)
    axes = _Axes(sorted({case["n"] for case in cases}))
    parts = list(axes.grid())
    for row, (key, (name, colour, dashes)) in enumerate(LINES.items()):
        if not lines[key]:
            continue
        parts.extend(_line(axes, lines[key], colour, dashes))
        x, y = WIDTH - RIGHT + 16, TOP + 16 + 22 * row
        parts.append(
            f'<path d="M{x} {y}h28" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
            f'<text x="{x + 36}" y="{y + 4}">{name}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
