"""Every C++ file is as clang-format writes it.

Ends as skipped (exit code 77) without the version that the code is formatted with: others differ.
"""

import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ["engine", "server", "client", "tests"]
SUFFIXES = [".h", ".cc", ".cu", ".cuh"]
MAJOR_VERSION = 14  # Debian 12's
SKIPPED = 77


def installed_version():
    """The major version of clang-format; none where it is not installed."""
    if not shutil.which("clang-format"):
        return None
    text = subprocess.run(["clang-format", "--version"], capture_output=True, text=True,
                          check=True).stdout
    return int(re.search(r"version (\d+)", text)[1])


def main():
    if (version := installed_version()) != MAJOR_VERSION:
        print(f"skipped: clang-format {MAJOR_VERSION} is needed; found {version}")
        return SKIPPED
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))
             if path.suffix in SUFFIXES]
    return subprocess.run(["clang-format", "--dry-run", "-Werror", *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
