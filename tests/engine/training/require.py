"""Makes engine/training importable, or ends the test as skipped (exit code 77)."""

import importlib
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
SKIPPED = 77

sys.path.insert(0, str(ROOT / "engine" / "training"))


def require(*modules):
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"skipped: {error}")
            sys.exit(SKIPPED)
