#!/usr/bin/env python3
"""The official clients against the running binary: `ollama`, `openai` and `anthropic`, for Python and for Node, and `google-genai`
for Python, at pinned versions.

    tests/clients/run.py PATH_OF_POLYLLAMA

Starts scripted providers and the gateway with nothing but environment variables in an empty folder, installs the clients
(into `.local/clients` and `tests/clients/node/node_modules`, once) and runs their tests.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCAL = HERE.parent.parent / ".local" / "clients"
PYTHON = LOCAL / "bin" / "python"


def install() -> None:
    pins = (HERE / "python" / "requirements.txt").read_text()
    stamp = LOCAL / "installed"
    if not stamp.is_file() or stamp.read_text() != pins:
        venv.create(LOCAL, with_pip=True, clear=True)
        requirements = str(HERE / "python" / "requirements.txt")
        subprocess.run([PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements], check=True)
        stamp.write_text(pins)
    lock = (HERE / "node" / "package-lock.json").read_text()
    stamp = HERE / "node" / "node_modules" / "installed"
    if not stamp.is_file() or stamp.read_text() != lock:
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=HERE / "node", check=True)
        stamp.write_text(lock)


def start_gateway(binary: str, upstream: str, folder: str) -> tuple:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PORT": str(port),
        "HOME": folder,
        "POLYLLAMA_STATE_DIR": folder,
        "OPENAI_API_KEY": "sk-openai",
        "OPENAI_BASE_URL": upstream + "/v1",
        "GOOGLE_API_KEY": "g-key",
        "GEMINI_BASE_URL": upstream + "/v1beta",
        "OLLAMA_BASE_URL": upstream,
        "ANTHROPIC_API_KEY": "sk-ant",
        "ANTHROPIC_BASE_URL": upstream + "/anthropic",
    }
    process = subprocess.Popen([binary], env=environment, cwd=folder)
    base = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            urllib.request.urlopen(base + "/healthz", timeout=5)
            return process, base
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    process.kill()
    sys.exit("the gateway did not start")


def main() -> int:
    install()
    sys.path.insert(0, str(HERE))
    import upstream

    binary = str(Path(sys.argv[1]).resolve())
    folder = tempfile.mkdtemp(prefix="polyllama-clients-")
    process, base = start_gateway(binary, upstream.start(), folder)
    try:
        environment = {**os.environ, "POLYLLAMA_URL": base, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        python = [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "python")]
        results = [subprocess.run(python, env=environment).returncode]
        node = ["node", "--test", "test_clients.mjs"]
        results.append(subprocess.run(node, env=environment, cwd=HERE / "node").returncode)
        return max(results)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
