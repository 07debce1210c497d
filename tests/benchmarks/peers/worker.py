"""What every peer's process shares: its arguments, JSON lines on its output, its turn on the GPU.

Several peers compile at once, one measures: `gpu_turn` waits for the lock that the process then keeps to its end. The
parent's clock stands still between {"event": "waiting"} and {"event": "measuring"}.
"""

import argparse
import contextlib
import fcntl
import gc
import json


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("shape")
    parser.add_argument("--batches", type=lambda text: [int(part) for part in text.split(",")], default=[1])
    parser.add_argument("--positions", default="early,middle,end", help="names or numbers")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--lock", required=True)
    return parser.parse_args()


def numbered(shape, positions):
    """The positions as numbers, from names or numbers joined by commas; those past the context are left out."""
    named = shape.positions()
    numbers = [named[part] if part in named else int(part) for part in positions.split(",")]
    return [number for number in numbers if number < shape.n]


def emit(**row):
    print("\n" + json.dumps(row), flush=True)


@contextlib.contextmanager
def gpu_turn(path):
    emit(event="waiting")
    with open(path, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        emit(event="measuring")
        yield


def first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def is_out_of_memory(error):
    words = first_line(error).lower()  # PyTorch's class and text, XLA's code
    return any(word in words for word in ("outofmemory", "out of memory", "resource_exhausted"))


def attempt(rows, measure):
    """Emits `rows`, each joined with what `measure` yields for it, in order; those that it fails to give, with why."""
    done = 0
    try:
        for found in measure():
            emit(**rows[done], **found)
            done += 1
    except Exception as error:  # a peer's failure of any kind is a result
        reason = "does not fit" if is_out_of_memory(error) else first_line(error)
        for row in rows[done:]:
            emit(**row, error=reason)
    gc.collect()
