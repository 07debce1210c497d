#!/usr/bin/env python3
"""CPU decode against its byte floor and against PyTorch, in one run and one table.

  cpu_bench.py [--build build/release] [--python python3] [--batches 1,8,32]

Runs step_bench, then peers_torch_cpu.py with --python (one that has PyTorch), and prints ratios: share of the floor (bytes
of weights and caches read per step over the memory bandwidth of this run) and speed over PyTorch with dense and with sparse
caches, each in its faster number format.
"""
import argparse
import json
import os
import subprocess


def run(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--python", default="python3")
    parser.add_argument("--batches", default="1,8,32")
    arguments = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    ours = run([f"{arguments.build}/bin/step_bench", "--json", "--batches", arguments.batches])
    peer = run([arguments.python, f"{here}/peers_torch_cpu.py", "--batches", arguments.batches])

    def best(cache, batch):
        return max(row["tokens_per_second"] for row in peer["rows"] if (row["cache"], row["batch"]) == (cache, batch))

    print(f"{ours['model']}; {ours['threads']} threads; memory {ours['memory_bytes_per_second'] / 1e9:.1f} GB/s; PyTorch {peer['torch']}")
    print("| format | batch | tokens/s | floor, tokens/s | share of floor | PyTorch dense | PyTorch sparse | x dense | x sparse |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in ours["rows"]:
        batch, rate = row["batch"], row["tokens_per_second"]
        dense, sparse = best("dense", batch), best("sparse", batch)
        print(f"| {row['format']} | {batch} | {rate:.0f} | {batch / row['floor_ms'] * 1e3:.0f} | {row['share_of_floor']:.2f} "
              f"| {dense:.1f} | {sparse:.1f} | {rate / dense:.1f} | {rate / sparse:.1f} |")


if __name__ == "__main__":
    main()
