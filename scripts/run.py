#!/usr/bin/env python3
"""Starts polyllama so that a first answer comes, and prints the two curl lines that get it.

    scripts/run.py PATH_OF_POLYLLAMA

Is a provider configured (polyllama.toml, .env, environment, or an Ollama that answers), it is used. Else a small local
model is set up and started as the one provider. Ctrl-C ends both.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = [Path("polyllama.toml"), Path.home() / ".config/polyllama/polyllama.toml", Path("/etc/polyllama/polyllama.toml")]


def settings() -> dict:
    """The environment over `.env`; what is set but empty counts as unset."""
    found = {}
    if Path(".env").is_file():
        for line in Path(".env").read_text().splitlines():
            match = re.match(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*)", line)
            if match:
                found[match[1]] = match[2].strip().strip("'\"")
    found.update(os.environ)
    return {name: value for name, value in found.items() if value.strip()}


def configured(values: dict) -> str:
    """What makes a provider available, in words; empty when nothing does."""
    for path in CONFIGS:
        if path.is_file():
            return f"as {path} says"
    # Every variable of the presets; a general token alone (HF_TOKEN) switches nothing on, and Ollama counts when it answers.
    rows = (ROOT / "src/provider/presets.toml").read_text().splitlines()
    rows = [row for row in rows if re.search(r"\b(key_env|token_env|base_url_env)\b", row) and "general_key_env" not in row]
    known = {plain(name) for row in rows for name in re.findall(r'"([A-Z][A-Z0-9_]+)"', row)}
    named = [name for name in values if plain(name) in known and name != "OLLAMA_BASE_URL"]
    if named:
        return "with " + ", ".join(sorted(named))
    for address in values.get("OLLAMA_BASE_URL", "http://localhost:11434").split(","):
        if ask(address.strip().rstrip("/") + "/api/version"):
            return f"with the Ollama at {address.strip()}"
    return ""


def plain(name: str) -> str:
    """A variable's name without what may stand at its end: a file instead of a value, several keys instead of one."""
    return re.sub(r"_KEYS$", "_KEY", name.removesuffix("_FILE"))


def ask(url: str):
    """The JSON that a GET gives, or None."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as answer:
            text = answer.read()
            return json.loads(text) if text[:1] in b"{[" else text
    except (OSError, ValueError):
        return None


def port_of(values: dict) -> int:
    """The port that polyllama will take."""
    if "PORT" in values:
        return int(values["PORT"])
    with socket.socket() as probe:
        return 5005 if probe.connect_ex(("127.0.0.1", 11434)) == 0 else 11434


def local_model() -> tuple:
    """Starts the local model; its process and address."""
    command = [sys.executable, ROOT / "scripts/local_model.py"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("listening on "):
            return process, line.split()[-1]
    sys.exit("the local model did not start; what it said stands above")


def first_model(base: str, gateway: subprocess.Popen) -> str:
    """The first model listed, once there is one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and gateway.poll() is None:
        listed = ask(f"{base}/v1/models")
        if isinstance(listed, dict) and listed.get("data"):
            return listed["data"][0]["id"]
        time.sleep(0.1)
    return ""


def curl_lines(base: str, model: str) -> str:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Why is the sky blue?"}]})
    streamed = body[:-1] + ', "stream": true}'
    return f"""
Ready. An answer in Ollama's form:

  curl {base}/api/chat -d '{body}'

and in OpenAI's:

  curl {base}/v1/chat/completions -H 'content-type: application/json' -d '{streamed}'

Ctrl-C stops.
"""


def main() -> int:
    values = settings()
    environment = dict(os.environ)
    children = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        why = configured(values)
        if why:
            print(f"starting polyllama {why}", flush=True)
        else:
            print("no provider is configured: starting a small local model", flush=True)
            model, address = local_model()
            children.append(model)
            environment["LLAMACPP_BASE_URL"] = f"{address}/v1"
        base = f"http://{values.get('POLYLLAMA_HOST', '127.0.0.1')}:{port_of(values)}"
        gateway = subprocess.Popen([sys.argv[1]], env=environment)
        children.append(gateway)
        name = first_model(base, gateway)
        if name:
            print(curl_lines(base, name), flush=True)
        elif gateway.poll() is None:
            print("no model is listed yet; the lines above say why", flush=True)
        return gateway.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        for child in reversed(children):
            if child.poll() is None:
                child.terminate()
        for child in children:
            child.wait()


if __name__ == "__main__":
    sys.exit(main())
