"""The cases that memory.py measures, as a figure: peak memory by length, both axes logarithmic."""

LAYERS, HEADS = 64, 4  # of the announced table
LINES = {  # (attention, recompute): name, colour, line style
    ("announced", False): ("announced: matrices, kept", "#999999", "--"),
    ("announced", True): ("announced: recomputed", "#999999", ":"),
    ("matrices", False): ("matrices, kept", "#c0392b", "-"),
    ("matrices", True): ("matrices, recomputed", "#e59866", "-"),
    ("pattern", False): ("strided : local, kept", "#1f618d", "-"),
    ("pattern", True): ("strided : local, recomputed", "#5dade2", "-"),
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


def plot(cases, path):
    """Writes the figure to `path`; its ending names the format. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for key, points in lines_of(cases).items():
        name, colour, style = LINES[key]
        if points:
            axes.plot(*zip(*points), style, marker="o", markersize=4, color=colour, label=name)
    axes.set(xscale="log", yscale="log", xlabel="tokens in a sequence", ylabel="GiB")
    lengths = sorted({case["n"] for case in cases})
    axes.set_xticks(lengths, [f"{n:,}" for n in lengths])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path)
