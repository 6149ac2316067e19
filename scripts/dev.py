#!/usr/bin/env python3
"""Builds and starts polyllama, and again whenever a source file changes. Arguments are handed on to it."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "polyllama"
WATCHED = ["src", "Cargo.toml", "Cargo.lock", "polyllama.toml", ".env"]


def state() -> dict:
    """When each watched file was changed."""
    tops = [ROOT / name for name in WATCHED]
    files = [file for top in tops for file in ([top] if top.is_file() else top.rglob("*"))]
    times = {}
    for file in files:
        try:
            times[file] = file.stat().st_mtime_ns
        except FileNotFoundError:
            pass  # an editor that saves by renaming
    return times


def wait_for_change(seen: dict) -> None:
    while state() == seen:
        time.sleep(0.3)


def main() -> None:
    while True:
        seen = state()
        running = None
        if subprocess.run(["cargo", "build"], cwd=ROOT).returncode == 0:
            running = subprocess.Popen([BINARY, *sys.argv[1:]], cwd=ROOT)
        try:
            wait_for_change(seen)
            print("--- changed: building again", flush=True)
        finally:
            if running:
                running.terminate()
                running.wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
