#!/usr/bin/env python3
"""The peers of the CUDA engine on one GPU: PyTorch, JAX and transformers on the shapes of tests/benchmarks/shapes.

    tests/benchmarks/peers_torch.py --json=peers.jsonl            everything, about 4 minutes
    tests/benchmarks/peers_torch.py --quick --json=peers.jsonl    PyTorch with sparse caches and prefill, about 90 s
    tests/benchmarks/peers_torch.py --peers=torch-sparse,torch-dense --shapes=music-152m --batches=1 \\
        --positions=256,1024,4096,16384,32768,65535               a line for compare.py --plot

A decode row is the median time of one step, sampling included, at a batch size and position (README.md). A peer that
fails, does not fit or takes too long is a row with the reason. Weights are random, bfloat16.
"""

import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
import race  # noqa: E402
import report  # noqa: E402
from shape import SHAPES  # noqa: E402

QUICK_PEERS = "torch-sparse,prefill-flex,prefill-dense"
QUICK_SHAPES = "cifar10-59m,imagenet64-152m,enwik8-95m"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shapes = ",".join(sorted(path.name for path in SHAPES.iterdir()))
    parser.add_argument("--peers", help=f"of {','.join(race.SCRIPTS)}; all")
    parser.add_argument("--shapes", help=f"of {shapes}; all")
    parser.add_argument("--batches", help="1,8,64,256; transformers takes 1 alone")
    parser.add_argument("--positions", default="early,middle,end", help="names or numbers")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PEERS} on {QUICK_SHAPES} at 1,64,256")
    parser.add_argument("--tuned", action="store_true", help="race autotuned products too; minutes a shape")
    parser.add_argument("--repeats", type=int, default=30, help="timed steps; the median counts")
    parser.add_argument("--jobs", type=int, default=5, help="processes at once; one of them measures")
    parser.add_argument("--peer_limit", type=float, default=100, help="seconds that a peer may compile, and measure")
    parser.add_argument("--time_limit", type=float, help="seconds of the whole run; 420, quick 180")
    parser.add_argument("--json", help="file for JSON lines")
    options = parser.parse_args()
    options.peers = options.peers or (QUICK_PEERS if options.quick else ",".join(race.SCRIPTS))
    options.shapes = options.shapes or (QUICK_SHAPES if options.quick else shapes)
    options.batches = options.batches or ("1,64,256" if options.quick else "1,8,64,256")
    options.time_limit = options.time_limit or (180 if options.quick else 420)
    return options


def make_tasks(options):
    """Peer by peer, the strongest first."""
    batches = sorted(map(int, options.batches.split(",")))
    return [
        race.Task(peer, shape, [1] if peer == "transformers" else batches, options.positions)
        for peer in race.SCRIPTS
        if peer in options.peers.split(",")
        for shape in options.shapes.split(",")
    ]


class Results:
    """All rows so far; written anew whenever a peer has ended."""

    def __init__(self, path):
        self.path, self.rows, self.device = path, {}, {}
        self.begun = time.monotonic()

    def add(self, task, rows):
        for row in rows:
            if "device" in row:
                # The best copy counts: whatever else the GPU did could only slow it down.
                self.device = max(self.device, row, key=lambda found: found.get("copy_gb_per_s", 0))
            else:
                self.rows[race.identity(row)] = row
        failed = sum("error" in row for row in rows)
        note = f", {failed} rows without a figure" if failed else ""
        print(f"{time.monotonic() - self.begun:6.1f} s  {task.peer} {task.shape}{note}", file=sys.stderr, flush=True)
        if self.path:
            lines = [json.dumps(row) for row in [self.device, *self.completed()] if row]
            pathlib.Path(self.path).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def completed(self):
        order = sorted(self.rows.values(), key=lambda row: (
            row["shape"], row.get("batch", 0), row.get("position", 0), list(race.SCRIPTS).index(row["peer"])))
        return [report.complete(row, self.device.get("copy_gb_per_s")) for row in order]


def main():
    options = parse_arguments()
    results = Results(options.json)
    limits = race.Limits(time.monotonic() + options.time_limit, options.peer_limit, options.repeats,
                         options.tuned)
    race.run_tasks(make_tasks(options), limits, options.jobs, results.add)
    rows = results.completed()
    print(f"{results.device.get('device', 'no GPU')}, copy {results.device.get('copy_gb_per_s', 0):.0f} GB/s, "
          f"torch {results.device.get('torch', '-')}; the floor is the sparse step's bytes over that copy's speed\n")
    print(report.decode_table([row for row in rows if "batch" in row]))
    print("\n" + report.prefill_table([row for row in rows if "batch" not in row]))


if __name__ == "__main__":
    main()
