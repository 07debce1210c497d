"""Runs the peers' processes: several compile at once, one measures; none can end the run or vanish from its result."""

import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import report
from shape import load_shape
from worker import numbered

HERE = pathlib.Path(__file__).resolve().parent
LARGE_SHARE = 0.75  # of the memory
JAX_PEERS = ("jax-sparse", "jax-dense")
JAX_AT_ONCE = 2
# Of a JAX process's caches and weights: its compiler tries kernels on arrays of their size, and keeps that memory.
JAX_MEMORY = 2.5
PREFILLS = ("prefill-flex", "prefill-dense")
SCRIPTS = {
    "torch-sparse": "torch_decode.py",
    "torch-dense": "torch_decode.py",
    "jax-sparse": "jax_decode.py",
    "jax-dense": "jax_decode.py",
    "transformers": "transformers_decode.py",
    "prefill-flex": "torch_prefill.py",
    "prefill-dense": "torch_prefill.py",
}
# One process: a peer, a shape, its batches (ascending) and positions (text, as worker.numbered reads it).
Task = collections.namedtuple("Task", "peer shape batches positions")
# deadline: of the run, by time.monotonic(); per_peer: seconds; tuned: race autotuned products too.
Limits = collections.namedtuple("Limits", "deadline per_peer repeats tuned", defaults=[False])


def expected_rows(task):
    """What a task must report, without the figures."""
    row = {"shape": task.shape, "peer": task.peer}
    if task.peer in PREFILLS:
        return [row]
    positions = numbered(load_shape(task.shape), task.positions)
    return [row | {"batch": batch, "position": position} for batch in task.batches for position in positions]


def needed_bytes(peer, shape, batch):
    """Caches and weights of a decode peer."""
    dense = peer in report.DENSE_PEERS
    return shape.weight_bytes() + batch * shape.cache_bytes(dense)


def memory_bytes():
    """The GPU's memory as nvidia-smi has it; without it, an H100's."""
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()
        return int(found[0]) * 2**20
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return 80 * 2**30


def is_large(task, share):
    """Whether a batch that needs this share of the memory must run alone.

    While one process of PyTorch measures, others compile, and must find room for themselves.
    """
    return share * JAX_MEMORY * JAX_AT_ONCE > 1 if task.peer in JAX_PEERS else share > LARGE_SHARE


def split_by_memory(task, memory):
    """A task's batches in three: to run beside others, to run alone, and those that cannot fit."""
    parts = [[], [], []]
    for batch in task.batches:
        share = 0 if task.peer in PREFILLS else needed_bytes(task.peer, load_shape(task.shape), batch) / memory
        parts[2 if share > 1 else is_large(task, share)].append(batch)
    return [task._replace(batches=batches) for batches in parts]


def identity(row):
    return tuple(row.get(key) for key in ("shape", "batch", "position", "peer"))


def _lines_of(process):
    """A queue of the process's output lines; None ends it."""
    lines = queue.Queue()

    def read():
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _command(task, limits, lock):
    batches = ",".join(map(str, task.batches))
    return [
        sys.executable, "-B", str(HERE / SCRIPTS[task.peer]), task.peer, task.shape, f"--batches={batches}",
        f"--positions={task.positions}", f"--repeats={limits.repeats}", f"--lock={lock}",
        *["--tuned"] * limits.tuned,
    ]  # fmt: skip


def _follow(process, limits):
    """The rows that a process prints, and why it was ended; a process that waits for the GPU spends no time."""
    lines, rows = _lines_of(process), []
    mine = time.monotonic() + limits.per_peer
    while True:
        until = min(mine, limits.deadline)
        try:
            line = lines.get(timeout=max(until - time.monotonic(), 0))
        except queue.Empty:
            return rows, f"ended at the limit of {limits.per_peer:.0f} s" if until == mine else "ended with the run"
        if line is None:
            return rows, None
        if not line.startswith("{"):
            continue
        row = json.loads(line)
        if row.get("event") == "waiting":
            mine = float("inf")
        elif row.get("event") == "measuring":
            mine = time.monotonic() + limits.per_peer
        else:
            rows.append(row)


def _last_error(log):
    """The line of a traceback that names the error."""
    log.seek(0)
    lines = log.read().splitlines()
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (named or [line for line in lines if line.strip()] or ["ended without a word"])[-1][:200]


def _run_process(task, limits, lock, log):
    """A task's process from start to end: the rows that it printed, and why it was ended if it was."""
    environment = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "4", "TOKENIZERS_PARALLELISM": "false"}
    with subprocess.Popen(
        _command(task, limits, lock), stdout=subprocess.PIPE, stderr=log, env=environment, text=True,
        errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            return _follow(process, limits)
        finally:  # its compilers too: they share its process group
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def run_task(task, limits, lock):
    """All rows of a task; those that its process did not report say why."""
    if time.monotonic() >= limits.deadline:
        return [row | {"error": "not run: the run's time was over"} for row in expected_rows(task)]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        rows, ended = _run_process(task, limits, lock, log)
        reported = {identity(row) for row in rows}
        missing = [row for row in expected_rows(task) if identity(row) not in reported]
        return rows + [row | {"error": ended or _last_error(log)} for row in missing]


def _run_together(tasks, limits, jobs, finished):
    with tempfile.NamedTemporaryFile(prefix="gpu-turn-") as lock:
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            running = {pool.submit(run_task, task, limits, lock.name): task for task in tasks}
            for future in concurrent.futures.as_completed(running):
                finished(running[future], future.result())


def run_tasks(tasks, limits, jobs, finished):
    """Runs all tasks; `finished(task, rows)` is called as each ends.

    `jobs` of PyTorch at once, then those of JAX, then the large ones one by one.
    """
    memory = memory_bytes()
    beside, alone, hopeless = zip(*(split_by_memory(task, memory) for task in tasks))
    for task in hopeless:
        if task.batches:
            finished(task, [row | {"error": "does not fit"} for row in expected_rows(task)])
    beside, alone = ([task for task in tasks if task.batches] for tasks in (beside, alone))
    _run_together([task for task in beside if task.peer not in JAX_PEERS], limits, jobs, finished)
    _run_together([task for task in beside if task.peer in JAX_PEERS], limits, JAX_AT_ONCE, finished)
    _run_together(alone, limits, 1, finished)
