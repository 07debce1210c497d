#!/usr/bin/env python3
"""Plots what `step_bench --positions=FILE.csv` writes: plot_positions.py FILE.csv FILE.svg "title". Needs matplotlib."""
import csv
import sys

import matplotlib
matplotlib.use("svg")
from matplotlib import pyplot


def main():
    source, target, title = sys.argv[1:]
    pyplot.rcParams["svg.hashsalt"] = "strided"  # the same picture from the same numbers
    figure, axes = pyplot.subplots(figsize=(7.5, 3.6))
    with open(source, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for pattern, colour in (("dense", "#c0392b"), ("sparse", "#2471a3")):
        places = [row for row in rows if row["pattern"] == pattern]
        axes.plot([int(row["position"]) for row in places], [float(row["milliseconds_per_token"]) for row in places],
                  marker="o", markersize=3, color=colour, label=pattern)
    axes.set(xlabel="position (tokens)", ylabel="milliseconds per token", title=title, ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
