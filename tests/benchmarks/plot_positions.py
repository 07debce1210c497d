#!/usr/bin/env python3
"""Plots time per token against position, sparse and dense, from the CSV of `step_bench --positions=FILE.csv`.

    plot_positions.py positions.csv positions.png
"""

import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (after the backend is chosen)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    lines = {}
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            points = lines.setdefault(row["pattern"], ([], []))
            points[0].append(int(row["position"]))
            points[1].append(float(row["milliseconds_per_token"]))
    figure, axes = plt.subplots(figsize=(7, 4))
    for pattern, (positions, milliseconds) in lines.items():
        axes.plot(positions, milliseconds, marker="o", label=pattern)
    axes.set_xlabel("position (tokens before)")
    axes.set_ylabel("time per token (ms)")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(sys.argv[2], dpi=150)


if __name__ == "__main__":
    main()
