#!/usr/bin/env python3
"""Our CUDA engine beside its peers: one table, the bars that it is held to, and time against position as a plot.

    compare.py --ours=ours.jsonl --peers peers.jsonl [more.jsonl] [--positions=middle] [--plot=time_per_token_gpu.png]

`ours` are the JSON lines of cuda_step_bench: shape, batch, position, path, us_per_step, floor_us, hash; for prefill
shape, path, prefill_ms. `peers` are those of peers_torch.py, of the same run on the same GPU. A path with `dense` in
its name, or a shape whose name ends with -dense, is our engine with the pattern dense; it stands in the plot, and never
counts as ours in a ratio.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
from shape import load_shape  # noqa: E402

PYTORCH = ("torch-sparse", "torch-dense")
NEAR = 64  # tokens; cuda_step_bench times a run of steps and gives its middle
PEERS = {
    "torch-sparse": "PyTorch, sparse caches", "torch-dense": "PyTorch, dense caches", "jax-sparse": "JAX, sparse caches",
    "jax-dense": "JAX, dense caches", "transformers": "transformers",
}  # fmt: skip
# What is asked on an H200; batch: of the row "many sequences". None: not asked.
BARS = {
    "cifar10-59m": {"one_us": 1000, "one_ratio": 3.5, "batch": 256, "many_ratio": 3, "growth": 1.3,
                    "flex_ratio": 1, "dense_ratio": 2},
    "imagenet64-152m": {"one_us": 500, "one_ratio": 3, "batch": 64, "many_ratio": 3, "growth": 1.3,
                        "flex_ratio": 1, "dense_ratio": 3},
    "enwik8-95m": {"one_us": 350, "one_ratio": 3, "batch": 256, "many_ratio": 1.5, "many_share": 0.7,
                   "growth_over_floors": 1.25, "flex_ratio": 1, "dense_ratio": 1.5},
}  # fmt: skip


def named_position(shape, position):
    """The position of early, middle or end that a run of steps around `position` stands for; else itself."""
    near = [place for place in load_shape(shape).positions().values() if abs(place - position) <= NEAR]
    return near[0] if near else position


def read_rows(path):
    """The rows of a JSON lines file; `at` is the position that they are compared at. Other lines are passed over.

    Where a shape's name ends with -dense, the row is the shape's own with a dense path.
    """
    rows = []
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        row = json.loads(line) if line.startswith("{") else {}
        if "shape" not in row:
            continue
        name = row["shape"].removesuffix("-dense")
        if name != row["shape"]:
            row |= {"shape": name, "path": row["path"] + ", dense"}
        if "position" in row:
            row["at"] = named_position(name, row["position"])
        rows.append(row)
    return rows


def is_dense(row):
    return "dense" in row["path"]


class Measured:
    """Lookups in both files; what is missing is None."""

    def __init__(self, ours, peers):
        self.ours, self.peers = ours, peers

    def points(self):
        keys = {(r["shape"], r["batch"], r["at"]) for r in self.ours + self.peers if "batch" in r}
        return sorted(keys)

    def best(self, shape, batch, position):
        """Our fastest row there."""
        rows = [r for r in self.ours if (r["shape"], r.get("batch"), r.get("at")) == (shape, batch, position)]
        return min((r for r in rows if not is_dense(r)), key=lambda r: r["us_per_step"], default=None)

    def peer(self, name, shape, batch=None, position=None):
        wanted = (name, shape, batch, position)
        rows = (r for r in self.peers if (r["peer"], r["shape"], r.get("batch"), r.get("at")) == wanted)
        return next(rows, None)

    def prefill(self, shape):
        found = [r["prefill_ms"] for r in self.ours if r["shape"] == shape and "prefill_ms" in r and not is_dense(r)]
        return min(found, default=None)

    def prefill_ratio(self, shape, peer):
        row, mine = self.peer(peer, shape), self.prefill(shape)
        return row["prefill_ms"] / mine if mine and row and "prefill_ms" in row else None

    def ratio(self, shape, batch, position, peers):
        """The fastest of the peers' times over ours."""
        mine, rows = self.best(shape, batch, position), [self.peer(name, shape, batch, position) for name in peers]
        times = [row["us_per_step"] for row in rows if row and "us_per_step" in row]
        return min(times) / mine["us_per_step"] if mine and times else None


def _number(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


def _peer_cell(row, mine):
    """A peer's time and what it is of ours, or why there is none."""
    if row is None:
        return "-"
    if "error" in row:
        return row["error"] if len(row["error"]) <= 24 else row["error"][:23] + "…"
    ratio = f" ({row['us_per_step'] / mine['us_per_step']:.1f}×)" if mine else ""
    return f"{row['us_per_step']:,.0f}{ratio}"


def decode_table(measured, positions=None):
    """Every point, or those at the named positions."""
    lines = ["| shape | batch | position | ours, µs | path | tokens/s | GB/s | of floor | "
             + " | ".join(PEERS.values()) + " |", "|" + " --- |" * (8 + len(PEERS))]
    for shape, batch, position in measured.points():
        if positions and position not in [load_shape(shape).positions()[name] for name in positions]:
            continue
        mine = measured.best(shape, batch, position)
        cells = ["-"] * 5
        if mine:
            us = mine["us_per_step"]
            cells = [f"{us:,.0f}", mine["path"].removeprefix("strided "), f"{batch / us * 1e6:,.0f}",
                     _number(mine.get("gb_per_s"), "{:,.0f}"), f"{mine['floor_us'] / us:.0%}" if "floor_us" in mine else "-"]
        cells += [_peer_cell(measured.peer(name, shape, batch, position), mine) for name in PEERS]
        lines.append(f"| {shape} | {batch} | {position} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _quotient(end, start, key="us_per_step"):
    return end[key] / start[key] if end and start and key in end and key in start else None


def growth_table(measured):
    """The time of a step at the end of the context over that at its start, the floors' and the peers' too."""
    lines = ["| shape | batch | ours | floors | " + " | ".join(PEERS.values()) + " |", "|" + " --- |" * (4 + len(PEERS))]
    for shape, batch in sorted({(shape, batch) for shape, batch, _ in measured.points()}):
        start, end = (load_shape(shape).positions()[name] for name in ("early", "end"))
        ours = [measured.best(shape, batch, position) for position in (end, start)]
        peers = [[measured.peer(name, shape, batch, position) for position in (end, start)] for name in PEERS]
        values = [_quotient(*ours), _quotient(*ours, "floor_us"), *(_quotient(*rows) for rows in peers)]
        if any(values):
            lines.append(f"| {shape} | {batch} | " + " | ".join(map(_number, values)) + " |")
    return "\n".join(lines)


def prefill_table(measured):
    lines = ["| shape | ours, ms | FlexAttention | dense SDPA |", "| --- | --- | --- | --- |"]
    for shape in sorted({row["shape"] for row in measured.ours + measured.peers}):
        cells = [_number(measured.prefill(shape))]
        for name in ("prefill-flex", "prefill-dense"):
            row, ratio = measured.peer(name, shape), measured.prefill_ratio(shape, name)
            figure = "-" if row is None else row.get("error") or f"{row['prefill_ms']:.2f}"
            cells.append(figure + (f" ({ratio:.1f}×)" if ratio else ""))
        lines.append(f"| {shape} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _growth(measured, name, batch):
    """Our time at the end over that at the start, and the same of the floors."""
    positions = load_shape(name).positions()
    rows = [measured.best(name, batch, positions[where]) for where in ("end", "early")]
    return _quotient(*rows), _quotient(*rows, "floor_us")


def bar_values(measured, name):
    """What each bar of BARS is held against."""
    batch, middle = BARS[name]["batch"], load_shape(name).positions()["middle"]
    one, many = measured.best(name, 1, middle), measured.best(name, batch, middle)
    growth, _ = _growth(measured, name, 1)
    crowded, floors = _growth(measured, name, batch)
    return {
        "one_us": one and one["us_per_step"],
        "one_ratio": measured.ratio(name, 1, middle, PYTORCH),
        "many_ratio": measured.ratio(name, batch, middle, ["torch-sparse"]),
        "many_share": many["floor_us"] / many["us_per_step"] if many and "floor_us" in many else None,
        "growth": growth,
        "growth_over_floors": crowded / floors if crowded and floors else None,
        "flex_ratio": measured.prefill_ratio(name, "prefill-flex"),
        "dense_ratio": measured.prefill_ratio(name, "prefill-dense"),
    }


def bar_table(measured):
    """The issue's table: each figure beside its bar. Steps are those at half the context."""
    titles = {
        "one_us": ("decode, B = 1, µs", "≤"), "one_ratio": ("the best PyTorch over ours, B = 1", "≥"),
        "many_ratio": ("PyTorch with sparse caches over ours, B = 256 (imagenet64: 64)", "≥"),
        "many_share": ("share of the cache-read floor there", "≥"),
        "growth": ("step at the end over step at the start, B = 1", "≤"),
        "growth_over_floors": ("the same at B = 256 over that of the floors", "≤"),
        "flex_ratio": ("prefill: FlexAttention over ours", "≥"), "dense_ratio": ("prefill: dense SDPA over ours", "≥"),
    }  # fmt: skip
    values = {name: bar_values(measured, name) for name in BARS}
    lines = ["| | " + " | ".join(BARS) + " |", "|" + " --- |" * (1 + len(BARS))]
    for key, (title, sign) in titles.items():
        cells = [f"{_number(values[name][key])} ({sign} {BARS[name][key]:g})" if key in BARS[name] else ""
                 for name in BARS]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _label(row):
    """What a line of the plot is called."""
    if "peer" in row:
        return PEERS[row["peer"]]
    return "Strided, every layer dense" if is_dense(row) else "Strided"


def plot(measured, name, path):
    """Milliseconds of a step at batch 1 against position: our paths, dense ones too, and the peers."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lines = {}
    for row in measured.ours + measured.peers:
        if row["shape"] == name and row.get("batch") == 1 and "us_per_step" in row:
            points, position, time = lines.setdefault(_label(row), {}), row["position"], row["us_per_step"] / 1e3
            points[position] = min(time, points.get(position, time))  # of two paths the faster
    figure, axes = plt.subplots(figsize=(7, 4))
    for label, points in lines.items():
        axes.plot(*zip(*sorted(points.items())), marker="o", label=label)
    axes.set_xlabel("position (tokens before)")
    axes.set_ylabel("time per token (ms)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--peers", required=True, nargs="+", help="of a point in several files the first one's row counts")
    parser.add_argument("--positions", help="of early,middle,end: rows of the table of steps; all")
    parser.add_argument("--plot", help="PNG file")
    parser.add_argument("--plot_shape", default="music-152m")
    options = parser.parse_args()
    peers = [row for path in options.peers for row in read_rows(path)]
    measured = Measured(read_rows(options.ours), peers)
    positions = options.positions and options.positions.split(",")
    tables = {
        "Bars": bar_table(measured), "Decode, µs per step": decode_table(measured, positions),
        "A step at the end of the context over one at its start": growth_table(measured),
        "Prefill": prefill_table(measured),
    }  # fmt: skip
    for title, table in tables.items():
        print(f"### {title}\n{table}\n")
    if options.plot:
        plot(measured, options.plot_shape, options.plot)


if __name__ == "__main__":
    main()
