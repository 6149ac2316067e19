#!/usr/bin/env python3
"""Promise: with a real model server behind it, the gateway adds nothing and loses nothing.

    tests/local_model/test_local_model.py PATH_OF_POLYLLAMA

Asks llama.cpp's own server directly and through the gateway, at temperature 0: OpenAI's face gives the same bytes, whole and
streamed, and Ollama's face the same text.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = str(Path(sys.argv.pop(1)).resolve()) if len(sys.argv) > 1 else ""
QUESTION = "Say hello to the reader."
SAMPLING = {"temperature": 0, "seed": 7}
# `cache_prompt`: what an earlier request left behind must not show in the counts of this one.
OPENAI = {**SAMPLING, "max_tokens": 24, "cache_prompt": False}
CHAT = {"messages": [{"role": "user", "content": QUESTION}], **OPENAI}
COMPLETION = {"prompt": "The capital of France is", **OPENAI}

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def post(url: str, body: dict) -> bytes:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with opener.open(request, timeout=120) as answer:
        return answer.read()


def settled(body: bytes) -> bytes:
    """The bytes without what differs from one answer to the next."""
    for pattern in (rb'"id":"[^"]*"', rb'"created":\d+', rb'"timings":\{[^}]*\}'):
        body = re.sub(pattern, rb"~", body)
    return body


def openai_text(body: bytes) -> str:
    choice = json.loads(body)["choices"][0]
    return choice["message"]["content"] if "message" in choice else choice["text"]


class LocalModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = [sys.executable, str(ROOT / "scripts/local_model.py")]
        cls.model = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(end, cls.model)
        lines = (line for line in cls.model.stdout if line.startswith("listening on "))
        cls.direct = next(lines).split()[-1] + "/v1"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        folder = tempfile.TemporaryDirectory(prefix="polyllama-model-")
        cls.addClassCleanup(folder.cleanup)
        environment = {"PORT": str(port), "HOME": folder.name, "LLAMACPP_BASE_URL": cls.direct, "OLLAMA_BASE_URL": "http://127.0.0.1:1"}
        cls.gateway = subprocess.Popen([BINARY], env=environment, cwd=folder.name)
        cls.addClassCleanup(end, cls.gateway)
        cls.base = f"http://127.0.0.1:{port}"
        cls.wait_until_listed()

    @classmethod
    def wait_until_listed(cls):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with opener.open(cls.base + "/v1/models", timeout=5) as answer:
                    if "llamacpp:smollm2" in [row["id"] for row in json.load(answer)["data"]]:
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("the model is not listed")

    def assert_same_bytes(self, path: str, body: dict):
        theirs = post(self.direct + path, {"model": "smollm2", **body})
        ours = post(f"{self.base}/v1{path}", {"model": "llamacpp:smollm2", **body})
        self.assertEqual(settled(ours), settled(theirs))
        self.assertGreater(len(theirs), 100)

    def test_chat_is_the_same_bytes(self):
        self.assert_same_bytes("/chat/completions", CHAT)

    def test_streamed_chat_is_the_same_bytes(self):
        self.assert_same_bytes("/chat/completions", {**CHAT, "stream": True})

    def test_streamed_chat_with_usage_is_the_same_bytes(self):
        self.assert_same_bytes("/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}})

    def test_completion_is_the_same_bytes(self):
        self.assert_same_bytes("/completions", COMPLETION)

    def test_streamed_completion_is_the_same_bytes(self):
        self.assert_same_bytes("/completions", {**COMPLETION, "stream": True})

    def test_ollama_chat_says_the_same(self):
        expected = openai_text(post(self.direct + "/chat/completions", {"model": "smollm2", **CHAT}))
        asked = {"model": "llamacpp:smollm2", "messages": CHAT["messages"], "options": {**SAMPLING, "num_predict": 24}}
        whole = json.loads(post(self.base + "/api/chat", {**asked, "stream": False}))
        self.assertEqual(whole["message"]["content"], expected)
        self.assertGreater(whole["eval_count"], 3)
        lines = [json.loads(line) for line in post(self.base + "/api/chat", asked).splitlines()]
        self.assertEqual("".join(line["message"]["content"] for line in lines), expected)
        self.assertGreater(len(lines), 4)
        self.assertEqual([line["done"] for line in lines[-2:]], [False, True])

    def test_ollama_generate_answers(self):
        asked = {"model": "llamacpp:smollm2", "prompt": COMPLETION["prompt"], "options": {**SAMPLING, "num_predict": 24}}
        whole = json.loads(post(self.base + "/api/generate", {**asked, "stream": False}))
        lines = [json.loads(line) for line in post(self.base + "/api/generate", asked).splitlines()]
        self.assertEqual("".join(line["response"] for line in lines), whole["response"])
        self.assertGreater(len(whole["response"]), 10)

    def test_every_ollama_client(self):
        command = ["cargo", "test", "--quiet", "--test", "ollama_clients", "with_a_real_model", "--", "--test-threads=2"]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "REAL_MODEL_LLAMACPP": self.direct}, check=True)


def end(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait()
    if process.stdout:
        process.stdout.close()


if __name__ == "__main__":
    unittest.main()
