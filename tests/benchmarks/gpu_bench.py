#!/usr/bin/env python3
"""The CUDA engine by both its paths, and its peers, in one run on one GPU: the tables of compare.py.

    tests/benchmarks/gpu_bench.py --bin=build/release/bin --out=OUT            everything, about 8 minutes
    tests/benchmarks/gpu_bench.py --bin=build/release/bin --out=OUT --quick    three shapes, PyTorch alone: 3 minutes

Leaves ours.jsonl, peers.jsonl and what the programs printed in OUT. One after the other: nothing else runs on the GPU
while the engine is measured.
"""

import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SHAPES = ["cifar10-59m", "imagenet64-152m", "enwik8-95m", "music-152m"]
QUICK_SHAPES = SHAPES[:3]
LONGEST_CALL = 12288  # prompt rows


def run(command, log):
    """Runs a program with its output in `log`; what fails is named, and the others go on."""
    with open(log, "a", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        print(f"{command[0]} ended with {done.returncode}; see {log}", file=sys.stderr)


def measure_ours(options, shapes, ours):
    folders = [str(HERE / "shapes" / name) for name in shapes]
    run([f"{options.bin}/cuda_step_bench", *folders, "--decode-path=graph,cluster", "--places=0.0625,0.5,1",
         f"--batches={options.batches}", f"--steps={options.steps}", f"--json={ours}"], options.out / "steps.txt")
    run([f"{options.bin}/prefill_bench", f"--folder={HERE / 'shapes'}", f"--shapes={','.join(shapes)}",
         f"--rows={LONGEST_CALL}", "--contexts_only", f"--json={ours}"], options.out / "prefill.txt")


def measure_peers(options, shapes, peers):
    command = [sys.executable, "-B", str(HERE / "peers_torch.py"), f"--shapes={','.join(shapes)}",
               f"--batches={options.batches}", f"--repeats={options.repeats}", f"--json={peers}"]
    limit = [f"--time_limit={options.peers_limit}"] if options.peers_limit else []
    run(command + ["--quick"] * options.quick + limit, options.out / "peers.txt")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of cuda_step_bench and prefill_bench")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for results; made if it is not there")
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK_SHAPES)}; peers_torch.py --quick")
    parser.add_argument("--batches", help="1,8,64,256; quick 1,64,256")
    parser.add_argument("--steps", type=int, default=64, help="of ours, at each point")
    parser.add_argument("--repeats", type=int, default=30, help="of the peers, at each point")
    parser.add_argument("--peers_limit", type=float, help="seconds for all peers; peers_torch.py's own, if not given")
    parser.add_argument("--also", type=pathlib.Path, nargs="+", default=[], help="peers' files of earlier runs")
    parser.add_argument("--positions", help="of early,middle,end: rows of the table of steps; all")
    options = parser.parse_args()
    options.batches = options.batches or ("1,64,256" if options.quick else "1,8,64,256")
    options.out.mkdir(parents=True, exist_ok=True)
    ours, peers = options.out / "ours.jsonl", options.out / "peers.jsonl"
    for stale in (ours, peers):
        stale.unlink(missing_ok=True)
    shapes = QUICK_SHAPES if options.quick else SHAPES
    measure_ours(options, shapes, ours)
    measure_peers(options, shapes, peers)
    positions = [f"--positions={options.positions}"] if options.positions else []
    also = [str(path) for path in options.also]
    subprocess.run([sys.executable, "-B", str(HERE / "compare.py"), f"--ours={ours}", "--peers", str(peers), *also,
                    *positions], check=True)


if __name__ == "__main__":
    main()
