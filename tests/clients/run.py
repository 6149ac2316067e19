#!/usr/bin/env python3
"""The official clients against the running binary: `ollama` and `openai` for Python and for Node, `anthropic` and `google-genai` for
Python, and LangChain's ChatOllama, at pinned versions.

    tests/clients/run.py PATH_OF_POLYLLAMA

Starts eight scripted providers and the gateway with nothing but environment variables in an empty folder (and one more that has
Google by its OpenAI face), installs the clients (into `.local/clients` and `tests/clients/node/node_modules`, once) and runs their tests.
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


def eight_providers(upstream: str) -> dict:
    """The environment in which all of them are played by `upstream`."""
    environment = {
        "OPENAI_API_KEY": "sk-openai",
        "OPENAI_BASE_URL": upstream + "/v1",
        "GOOGLE_API_KEY": "g-key",
        "GEMINI_BASE_URL": upstream + "/v1beta",
        "OLLAMA_BASE_URL": upstream,
        "ANTHROPIC_API_KEY": "sk-ant",
        "ANTHROPIC_BASE_URL": upstream + "/anthropic",
    }
    for prefix in ("openrouter", "akash", "cohere", "codestral", "qwen"):
        environment[f"{prefix.upper()}_API_KEYS"] = prefix + "-key"
        environment[f"{prefix.upper()}_BASE_URL"] = f"{upstream}/{prefix}/v1"
    return environment


def google_by_its_openai_face(upstream: str) -> dict:
    return {"GOOGLE_API_KEY": "g-key", "GOOGLE_BASE_URL": upstream + "/v1beta/openai", "OLLAMA_BASE_URL": "http://127.0.0.1:1"}


def start_gateway(binary: str, providers: dict, folder: str) -> tuple:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"PORT": str(port), "HOME": folder, "POLYLLAMA_STATE_DIR": folder, **providers}
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


def run_tests(environment: dict, only: str | None) -> int:
    """The tests of both languages; `only` those with this in their name. The worse exit code."""
    pytest = [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider", *(["-k", only] if only else []), str(HERE / "python")]
    files = sorted(path.name for path in (HERE / "node").glob("test_*.mjs"))
    node = ["node", "--test", *([f"--test-name-pattern={only}"] if only else []), *files]
    results = [subprocess.run(pytest, env=environment).returncode]
    return max([*results, subprocess.run(node, env=environment, cwd=HERE / "node").returncode])


def main() -> int:
    install()
    sys.path.insert(0, str(HERE))
    import upstream

    binary = str(Path(sys.argv[1]).resolve())
    address = upstream.start()
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "UPSTREAM_URL": address}
    started = []
    try:
        for variable, providers in [("POLYLLAMA_URL", eight_providers), ("POLYLLAMA_FACE_URL", google_by_its_openai_face)]:
            folder = tempfile.mkdtemp(prefix="polyllama-clients-")
            process, environment[variable] = start_gateway(binary, providers(address), folder)
            started.append((process, folder))
        # The second gateway has one provider: what is asked of every model is asked of its model.
        by_face = {**environment, "POLYLLAMA_URL": environment["POLYLLAMA_FACE_URL"]}
        return max(run_tests(environment, None), run_tests(by_face, "gemini"))
    finally:
        for process, folder in started:
            process.terminate()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
