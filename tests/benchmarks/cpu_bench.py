#!/usr/bin/env python3
"""The CPU engine, the floors of its bytes and of its arithmetic, and PyTorch, in one run and one table.

    cmake --build --preset release --target bench
    tests/benchmarks/cpu_bench.py --build=build/release     # the same; takes options

Runs step_bench and, with the Python that has torch (--python), peers_torch_cpu.py: the same network, the same batch
sizes, the same machine, one after the other. Without torch the table has no peers. On a machine that is not quiet, run
it several times and keep the best of each: others' work can only add to a time.
"""

import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def run_json(command):
    """The JSON that a command prints; None where it fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return json.loads(result.stdout) if result.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="build folder")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--steps", type=int, default=12, help="timed steps of a run of ours")
    parser.add_argument("--tries", type=int, default=2, help="runs of ours, of which the best counts")
    options = parser.parse_args()

    ours = run_json([os.path.join(options.build, "bin", "step_bench"), "--json", f"--batches={options.batches}",
                     f"--steps={options.steps}", f"--tries={options.tries}"])
    if ours is None:
        sys.exit("step_bench failed")
    peers = run_json([options.python, os.path.join(HERE, "peers_torch_cpu.py"), "--json",
                      f"--batches={options.batches}"])
    speed = {(row["cache"], row["format"], row["batch"]): row["tokens_per_second"]
             for row in (peers["rows"] if peers else [])}

    print(f"{ours['model']}, {ours['threads']} threads, memory {ours['memory_bytes_per_second'] / 1e9:.1f} GB/s, "
          f"peer: PyTorch {peers['torch'] if peers else 'not found'}")
    print("format     batch   tokens/s   ms/step  floor ms  share of floor  of arithmetic   x dense torch   "
          "x sparse torch  tokens")
    for row in ours["rows"]:
        # int8 has no counterpart in eager PyTorch; it is set against the fastest of its formats.
        formats = ["float32", "bfloat16"] if row["format"] == "int8" else [row["format"]]
        ratios = []
        for cache in ("dense", "sparse"):
            known = [speed[cache, name, row["batch"]] for name in formats if (cache, name, row["batch"]) in speed]
            ratios.append(f"{row['tokens_per_second'] / max(known):.1f}" if known else "-")
        print(f"{row['format']:<9} {row['batch']:>6} {row['tokens_per_second']:>10.1f} {row['step_ms_median']:>9.3f} "
              f"{row['floor_ms']:>9.3f} {row['share_of_floor']:>15.2f} {row['share_of_arithmetic']:>14.2f} "
              f"{ratios[0]:>15} {ratios[1]:>16}  {row['token_hash']}")


if __name__ == "__main__":
    main()
