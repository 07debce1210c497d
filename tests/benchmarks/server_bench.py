#!/usr/bin/env python3
"""A server under load, as its clients and its own metrics see it: one row for each load; times in milliseconds.

    server_bench.py --bin=build/release/bin --model=deploy/models/text --streams=1,64,256 --prompt-tokens=64
    server_bench.py --bin=build/release/bin --shape=cifar10-59m --streams=1,256 --arrivals=40 --max-new-tokens=512
    server_bench.py --bin=build/release/bin --model=deploy/models/image --streams=64 --beside=20:1000:32 --beside=10:3000:32
    server_bench.py ... -- --decode_path=cluster --devices=cuda:0 --devices=cuda:1       flags of `strided`

Starts `strided` with that model alone (of a shape: random weights, bfloat16), runs stride-bench once for each number
of streams (a closed loop) and each arrival rate (an open one), and reads the metrics before and after. Requests of
--beside arrive meanwhile, all of them at once, and have rows of their own. Full are those steps that decode whose rows lie in the bucket of the batch size metric that `streams` belongs to.
"""

import argparse
import contextlib
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
READY_LIMIT = 120  # seconds
DECODES = ("decode", "mixed")  # phases


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of strided and stride-bench")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", help="a model's folder, its versions in it")
    source.add_argument("--shape", help="of tests/benchmarks/shapes; needs PyTorch")
    parser.add_argument("--streams", type=_numbers, default=[], help="closed loops: 1,64,256")
    parser.add_argument("--arrivals", type=_numbers, default=[], help="open loops: requests per second")
    parser.add_argument("--beside", type=_arrivals, action="append", default=[],
                        help="also, in all loads: requests per second:prompt tokens:new tokens; may come several times")
    parser.add_argument("--prompt-tokens", type=int, default=0)
    parser.add_argument("--max-new-tokens", type=int, help="the context, if it is not given")
    parser.add_argument("--warmup", default="1s")
    parser.add_argument("--duration", default="5s")
    parser.add_argument("--once", action="store_true", help="closed loops end when every stream has had one request")
    parser.add_argument("--threads", type=int, default=2, help="of the client")
    parser.add_argument("--json", help="append JSON lines to this file")
    parser.add_argument("server_flags", nargs="*", help="behind --")
    return parser.parse_args()


def _numbers(text):
    return [float(part) if "." in part else int(part) for part in text.split(",")]


def _arrivals(text):
    rate, prompt_tokens, new_tokens = text.split(":")
    return float(rate), int(prompt_tokens), int(new_tokens)


def write_random_model(shape_name, folder):
    """A model folder with random weights of a shape."""
    sys.path[:0] = [str(HERE / "peers"), str(HERE.parents[1] / "engine" / "training")]
    import network
    import tensor_file
    import torch
    from shape import load_shape

    shape = load_shape(shape_name)
    tensors = network.random_tensors(shape, "cpu", torch.float32)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    tensor_file.write_directory(folder / "1", shape.config, arrays, "bfloat16")


@contextlib.contextmanager
def running_server(program, repository, flags):
    """(address, metrics address) of a server that is ready; it is asked to drain, and waited for, at the end."""
    command = [program, f"--model_repository={repository}", "--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0",
               "--drain_delay=0s", "--drain_grace=1s", *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        timer = threading.Timer(READY_LIMIT, process.kill)
        timer.start()
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if '"message":"ready"' in line:
                    break
            else:
                sys.exit("the server ended before it was ready:\n" + "".join(said[-5:]))
            timer.cancel()
            threading.Thread(target=process.stderr.read, daemon=True).start()  # or it would wait for a reader
            ready = json.loads(said[-1])
            yield ready["listen"].split(",")[0], ready["metrics"]
        finally:
            timer.cancel()
            process.terminate()


def read_metrics(address):
    """{series: value} of a scrape."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def step_rows(metrics):
    """({upper bound: steps}, steps, rows) of the steps that decode; counts are of a bucket alone, not cumulative."""
    below, steps, rows = {}, 0, 0
    for series, value in metrics.items():
        if not series.startswith("strided_step_batch_size") or not any(f'phase="{p}"' in series for p in DECODES):
            continue
        bound = re.search(r'le="([^"]+)"', series)
        if bound:
            below[float(bound[1])] = below.get(float(bound[1]), 0) + value
        elif "_count" in series:
            steps += value
        else:
            rows += value
    bounds = sorted(below)
    counts = {bound: below[bound] - below.get(before, 0) for before, bound in itertools.pairwise([0, *bounds])}
    return counts, steps, rows


def batch_growth(before, after):
    """What `step_rows` gives for the steps between two scrapes."""
    (counts, steps, rows), (old_counts, old_steps, old_rows) = step_rows(after), step_rows(before)
    return {bound: counts[bound] - old_counts.get(bound, 0) for bound in counts}, steps - old_steps, rows - old_rows


def device_growth(before, after):
    """{device: requests that went to it between two scrapes}; empty for a server that does not tell."""
    grown = {}
    for series, value in after.items():
        found = re.match(r'strided_device_requests_total\{device="([^"]+)"', series)
        if found:
            grown[found[1]] = grown.get(found[1], 0) + value - before.get(series, 0)
    return grown


def full_share(counts, streams):
    """The share of steps in the bucket that `streams` rows fall into."""
    bound = min(bound for bound in counts if bound >= streams)
    return counts[bound] / max(sum(counts.values()), 1)


def bench_command(options, address, load):
    """stride-bench for one load: `load` is ("streams", n) or ("arrivals", requests per second)."""
    kind, size = load
    threads = min(options.threads, size) if kind == "streams" else options.threads
    command = [f"{options.bin}/stride-bench", f"--address={address}", "--quiet", "--json=-", f"--threads={threads}"]
    command += [f"--streams={size}" if kind == "streams" else f"--arrival-rate={size}"]
    if options.once and kind == "streams":
        command += [f"--requests={size}"]
    else:
        command += [f"--warmup={options.warmup}", f"--duration={options.duration}"]
    command += [f"--prompt-tokens={options.prompt_tokens}"] * (options.prompt_tokens > 0)
    return command + [f"--max-new-tokens={options.max_new_tokens}"] * (options.max_new_tokens is not None)


def beside_command(options, address, number):
    """stride-bench for the `number`-th of --beside: prompts of its own."""
    rate, prompt_tokens, new_tokens = options.beside[number]
    return [f"{options.bin}/stride-bench", f"--address={address}", "--quiet", "--json=-", "--threads=1",
            f"--arrival-rate={rate}", f"--warmup={options.warmup}", f"--duration={options.duration}",
            f"--prompt-tokens={prompt_tokens}", f"--max-new-tokens={new_tokens}",
            f"--load-seed={2 + number}"]  # fmt: skip


def run_together(commands):
    """What each of the commands, run at the same time, reports."""
    running = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]
    reports = []
    for process in running:
        report, said = process.communicate()
        if not report:
            sys.exit(f"stride-bench: {said}")
        reports.append(json.loads(report))
    return reports


def seen_by_clients(report):
    return {
        "model": report["model"], "tokens_per_s": report["tokens_per_second"], "requests": report["requests"],
        "window_s": report["window"], "first_token": report["time_to_first_token"],
        "inter_token": report["inter_token_time"], "request_time": report["request_time"], "client": report["client"],
    }  # fmt: skip


def measure(options, address, metrics_address, load):
    """Rows: what the clients of the load saw, and how full the steps were meanwhile, warm-up and end included; then
    what those of each --beside saw."""
    before = read_metrics(metrics_address)
    beside = [beside_command(options, address, number) for number in range(len(options.beside))]
    seen, *seen_beside = run_together([bench_command(options, address, load), *beside])
    after = read_metrics(metrics_address)
    counts, steps, rows = batch_growth(before, after)
    kind, size = load
    row = seen_by_clients(seen) | {
        kind: size, "rows_per_step": rows / max(steps, 1),
        "full": full_share(counts, size) if kind == "streams" else None,
        "steps_by_rows": {f"{bound:g}": count for bound, count in counts.items() if count >= 0.01 * steps},
        "requests_by_device": device_growth(before, after),
    }  # fmt: skip
    arrivals = zip(options.beside, seen_beside, strict=True)
    return [row] + [seen_by_clients(report) | {"beside": size, "arrivals_of": of} for of, report in arrivals]


def _times(seconds, *names):
    """Milliseconds, by the names of percentiles."""
    return " ".join(f"{seconds[name] * 1e3:.3g}" if name in seconds else "-" for name in names)


def _load_of(row):
    if "beside" in row:
        return "{:g}/s beside, of {} + {}".format(*row["arrivals_of"])
    return f"{row['streams']} streams" if "streams" in row else f"{row['arrivals']}/s"


def table_line(row):
    requests = "/".join(str(row["requests"][name]) for name in ("ok", "refused", "failed", "cut"))
    cells = [row["model"], _load_of(row), f"{row['tokens_per_s']:,.0f}", _times(row["first_token"], "p50", "p99", "max"),
             _times(row["inter_token"], "p50", "p99"), _times(row["request_time"], "p50", "max"), requests]  # fmt: skip
    if "beside" not in row:
        full = "-" if row["full"] is None else f"{row['full']:.1%}"
        buckets = ", ".join(f"<={bound}: {count:.0f}" for bound, count in row["steps_by_rows"].items())
        devices = ", ".join(f"{name}: {count:.0f}" for name, count in row["requests_by_device"].items())
        cells += [f"{row['rows_per_step']:.1f}", full, buckets, devices]
    return "| " + " | ".join(cells) + " |"


def main():
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as repository:
        if options.model:
            source = pathlib.Path(options.model).resolve()
            shutil.copytree(source, pathlib.Path(repository) / source.name)
        else:
            write_random_model(options.shape, pathlib.Path(repository) / options.shape)
        print("| model | load | tokens/s | first token, ms, p50 p99 max | between tokens, p50 p99 | a request, p50 max "
              "| ok/refused/failed/cut | rows a step | full | steps by rows | requests by device |\n|" + " --- |" * 11)
        loads = [("streams", n) for n in options.streams] + [("arrivals", rate) for rate in options.arrivals]
        with running_server(f"{options.bin}/strided", repository, options.server_flags) as (address, metrics):
            for load in loads:
                for row in measure(options, address, metrics, load):
                    print(table_line(row), flush=True)
                    if options.json:
                        with open(options.json, "a", encoding="utf-8") as file:
                            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
