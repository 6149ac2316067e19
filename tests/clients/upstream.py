"""One server that plays nine providers for the client tests, each below a path of its own: OpenAI's dialect under /v1 and
/PROVIDER/v1, Google's under /v1beta (its OpenAI face below that), Ollama's under /api, Anthropic's under /anthropic/v1.

What it says follows from the question: with tools and a question it calls two of them, after their results it says what
they gave, an image it measures, JSON it gives when a schema is asked for, who asks it to think gets a thought first, and who
asks it to wait gets half an answer; a model called `broken` fails. Else it says hello.
"""

import base64
import json
import math
import select
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ollama_store

HELLO = "Hello from the model"
THOUGHT = "The user wants a greeting."
SCHEMA_ANSWER = '{"city": "Paris", "degrees": 20}'
CALLS = [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "UTC"})]
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
LISTS = {
    "/v1/models": ["gpt-4o", "text-embedding-3-small"],
    "/openrouter/v1/models": ["anthropic/claude-sonnet-4.5", "openai/text-embedding-3-small"],
    "/akash/v1/models": ["deepseek-ai/DeepSeek-V3.1", "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8"],
    "/cohere/v1/models": ["command-a-03-2025", "command-a-vision-07-2025", "embed-v4.0"],
    "/codestral/v1/models": ["codestral-latest"],
    "/qwen/v1/models": ["qwen3-vl-plus", "text-embedding-v4"],
}
CLAUDE = "claude-sonnet-4-5"
GEMINI_LIST = {"gemini-2.5-flash": "generateContent", "gemini-embedding-001": "embedContent"}

# So many clients went away before their answer was whole.
left = 0


def vector(text):
    """Its direction tells the text's length."""
    return [float(len(text)), 4.0, 0.0]


def unit(numbers):
    length = math.sqrt(sum(n * n for n in numbers))
    return [n / length for n in numbers]


def reaction(body, images, results, has_tools, wants_schema):
    """Thought, text and calls."""
    thought = THOUGHT if "Think" in json.dumps(body) else ""
    if results:
        return thought, "The tools said: " + ", ".join(results), []
    if images:
        return thought, f"An image of {len(base64.b64decode(images[0]))} bytes", []
    if has_tools:
        return thought, "", CALLS
    return thought, (SCHEMA_ANSWER if wants_schema else HELLO), []


def pieces(text):
    return [text[: len(text) // 2], text[len(text) // 2 :]] if text else []


class OpenAi:
    @staticmethod
    def react(body, path):
        messages = body.get("messages", [])
        parts = [p for m in messages if isinstance(m.get("content"), list) for p in m["content"]]
        images = [p["image_url"]["url"].split(",", 1)[1] for p in parts if p["type"] == "image_url"]
        results = [m["content"] for m in messages if m["role"] == "tool"]
        thought, text, calls = reaction(body, images, results, body.get("tools"), "response_format" in body)
        if thought and path.startswith("/akash"):  # such as a host without a parser for thoughts
            return "", f"<think>\n{thought}\n</think>\n\n{text}", calls
        return thought, text, calls

    @staticmethod
    def thought(path, text):
        return {"reasoning" if path.startswith("/openrouter") else "reasoning_content": text} if text else {}

    @staticmethod
    def calls(calls):
        return [
            {"index": i, "id": f"call_{i}", "type": "function", "function": {"name": n, "arguments": json.dumps(a)}}
            for i, (n, a) in enumerate(calls)
        ]

    @classmethod
    def answer(cls, body, path):
        if path.endswith("/embeddings"):
            return cls.vectors(body)
        thought, text, calls = cls.react(body, path)
        finish = "tool_calls" if calls else "stop"
        if path.endswith("/chat/completions"):
            message = {"role": "assistant", "content": text or None, **cls.thought(path, thought)}
            if calls:
                message["tool_calls"] = cls.calls(calls)
            choice, kind = {"index": 0, "message": message, "finish_reason": finish}, "chat.completion"
        else:
            choice, kind = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}, "text_completion"
        return {"id": "x1", "object": kind, "created": 1790000000, "model": body["model"], "choices": [choice], "usage": USAGE}

    @staticmethod
    def vectors(body):
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        in_base64 = body.get("encoding_format") == "base64"
        packed = [base64.b64encode(struct.pack("<3f", *vector(t))).decode() if in_base64 else vector(t) for t in texts]
        rows = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(packed)]
        return {"object": "list", "data": rows, "model": body["model"], "usage": {"prompt_tokens": 3, "total_tokens": 3}}

    @classmethod
    def stream(cls, body, path):
        thought, text, calls = cls.react(body, path)
        is_chat = path.endswith("/chat/completions")
        head = {"id": "x1", "object": "chat.completion.chunk" if is_chat else "text_completion", "created": 1790000000, "model": body["model"]}

        def chunk(delta, finish=None):
            choice = {"index": 0, "delta": delta} if is_chat else {"index": 0, "text": delta.get("content", ""), "logprobs": None}
            return {**head, "choices": [{**choice, "finish_reason": finish}]}

        yield chunk({"role": "assistant", "content": ""})
        for piece in pieces(thought):
            yield chunk(cls.thought(path, piece))
        for piece in pieces(text):
            yield chunk({"content": piece})
        for call in cls.calls(calls):
            yield chunk({"tool_calls": [call]})
        last = chunk({}, "tool_calls" if calls else "stop")
        if path.startswith(("/cohere", "/codestral")):  # they tell it without being asked, and refuse to be asked
            yield {**last, "usage": USAGE}
            return
        yield last
        if body.get("stream_options", {}).get("include_usage"):
            yield {**head, "choices": [], "usage": USAGE}

    @staticmethod
    def frame(records):
        return [f"data: {json.dumps(r)}\n\n" for r in records] + ["data: [DONE]\n\n"], "text/event-stream"

    @staticmethod
    def error(message, status):
        return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}


class Gemini:
    @staticmethod
    def react(body):
        parts = [p for c in body["contents"] for p in c["parts"]]
        # Google reads both alphabets.
        images = [p["inlineData"]["data"].translate(str.maketrans("-_", "+/")) for p in parts if "inlineData" in p]
        results = [json.dumps(p["functionResponse"]["response"]) for p in parts if "functionResponse" in p]
        config = body.get("generationConfig", {})
        return reaction(body, images, results, body.get("tools"), "responseMimeType" in config)

    @staticmethod
    def record(parts, finish):
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = "STOP"
        return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}}

    @classmethod
    def parts(cls, body):
        thought, text, calls = cls.react(body)
        thoughts = [{"text": p, "thought": True} for p in pieces(thought)]
        return thoughts + [{"text": p} for p in pieces(text)] + [{"functionCall": {"name": n, "args": a}} for n, a in calls]

    @classmethod
    def answer(cls, body, path):
        if path.endswith(":countTokens"):
            return {"totalTokens": 31}
        if path.endswith(":batchEmbedContents"):
            texts = ["".join(part["text"] for part in r["content"]["parts"]) for r in body["requests"]]
            return {"embeddings": [{"values": vector(text)} for text in texts]}
        return cls.record(cls.parts(body), True)

    @classmethod
    def stream(cls, body, path):
        parts = cls.parts(body)
        return [cls.record([part], part is parts[-1]) for part in parts]

    @staticmethod
    def frame(records):
        return [f"data: {json.dumps(r)}\r\n\r\n" for r in records], "text/event-stream"

    @staticmethod
    def error(message, status):
        return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}


class Ollama:
    @staticmethod
    def react(body):
        messages = body.get("messages", [body])
        images = [image for m in messages for image in m.get("images") or []]
        results = [m["content"] for m in messages if m.get("role") == "tool"]
        return reaction(body, images, results, body.get("tools"), body.get("format"))

    @staticmethod
    def line(body, path, thought, text, calls, done):
        out = {"model": body["model"], "created_at": "2026-11-22T08:00:00.123456789Z"}
        said = {"thinking": thought} if thought else {}
        if path == "/api/chat":
            out["message"] = {"role": "assistant", "content": text, **said}
            if calls:
                out["message"]["tool_calls"] = [{"function": {"name": n, "arguments": a}} for n, a in calls]
        else:
            out.update(response=text, **said)
        out["done"] = done
        if done:
            out.update(done_reason="stop", total_duration=9, load_duration=1, prompt_eval_count=11, prompt_eval_duration=3, eval_count=7, eval_duration=5)
        return out

    @classmethod
    def answer(cls, body, path):
        if path == "/api/embeddings":
            return {"embedding": vector(body["prompt"])}
        if path == "/api/embed":
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            vectors = [unit(vector(text)) for text in texts]
            return {"model": body["model"], "embeddings": vectors, "total_duration": 9, "load_duration": 1, "prompt_eval_count": 3}
        return cls.line(body, path, *cls.react(body), True)

    @classmethod
    def stream(cls, body, path):
        thought, text, calls = cls.react(body)
        lines = [cls.line(body, path, piece, "", [], False) for piece in pieces(thought)]
        lines += [cls.line(body, path, "", piece, [], False) for piece in pieces(text)]
        return lines + ([cls.line(body, path, "", "", calls, False)] if calls else []) + [cls.line(body, path, "", "", [], True)]

    @staticmethod
    def frame(records):
        return [json.dumps(r) + "\n" for r in records], "application/x-ndjson"

    @staticmethod
    def error(message, status):
        return {"error": message}


class Anthropic:
    @staticmethod
    def react(body):
        parts = [p for m in body["messages"] if isinstance(m["content"], list) for p in m["content"]]
        images = [p["source"]["data"] for p in parts if p["type"] == "image"]
        results = [p["content"] for p in parts if p["type"] == "tool_result"]
        said = [r if isinstance(r, str) else "".join(p["text"] for p in r) for r in results]
        wants_schema = "format" in body.get("output_config", {})
        return reaction(body, images, said, body.get("tools"), wants_schema)

    @classmethod
    def message(cls, body):
        _, text, calls = cls.react(body)
        content = [{"type": "text", "text": text}] if text else []
        content += [{"type": "tool_use", "id": f"toolu_{i}", "name": n, "input": a} for i, (n, a) in enumerate(calls)]
        usage = {"input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 7}
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": content}
        return {**head, "stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None, "usage": usage}

    @classmethod
    def answer(cls, body, path):
        return {"input_tokens": 42} if path.endswith("count_tokens") else cls.message(body)

    @classmethod
    def stream(cls, body, path):
        message = cls.message(body)
        yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
        for index, block in enumerate(message["content"]):
            is_text = block["type"] == "text"
            empty = {**block, "text": ""} if is_text else {**block, "input": {}}
            yield {"type": "content_block_start", "index": index, "content_block": empty}
            for piece in pieces(block["text"] if is_text else json.dumps(block["input"])):
                delta = {"type": "text_delta", "text": piece} if is_text else {"type": "input_json_delta", "partial_json": piece}
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}}
        yield {"type": "message_stop"}

    @staticmethod
    def frame(records):
        return [f"event: {r['type']}\ndata: {json.dumps(r)}\n\n" for r in records], "text/event-stream"

    @staticmethod
    def error(message, status):
        return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def say(self, status, text="", kind="application/json"):
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def say_half(self, frames, kind):
        """Begins a stream and ends it when the client goes away."""
        global left
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for frame in frames[: len(frames) // 2]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(frame.encode()), frame.encode()))
        self.wfile.flush()
        if select.select([self.connection], [], [], 30)[0]:
            left += 1
        self.close_connection = True

    def body(self):
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def do_HEAD(self):
        self.say(*(ollama_store.head(self.path) or (200,)))

    def do_DELETE(self):
        self.say(*ollama_store.delete(json.loads(self.body())))

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/left":
            return self.say(200, str(left))
        if path == "/v1beta/models":
            rows = [{"name": "models/" + n, "inputTokenLimit": 1048576, "supportedGenerationMethods": [does]} for n, does in GEMINI_LIST.items()]
            return self.say(200, json.dumps({"models": rows}))
        if path == "/v1beta/openai/models":
            return self.say(200, json.dumps({"object": "list", "data": [{"id": "models/" + n, "object": "model"} for n in GEMINI_LIST]}))
        if path in LISTS:
            rows = [{"id": name, "object": "model", "created": 1750000000, "owned_by": "x"} for name in LISTS[path]]
            return self.say(200, json.dumps({"object": "list", "data": rows}))
        if path == "/anthropic/v1/models":
            row = {"type": "model", "id": CLAUDE, "display_name": CLAUDE, "created_at": "2025-09-29T00:00:00Z"}
            return self.say(200, json.dumps({"data": [row], "has_more": False, "first_id": CLAUDE, "last_id": CLAUDE}))
        known = ollama_store.get(path)
        self.say(*(known or (404, '{"error":"not played"}')))

    def do_POST(self):
        path, raw = self.path.split("?")[0], self.body()
        if path.startswith("/api/blobs/"):
            return self.say(*ollama_store.put_blob(path, raw))
        body = json.loads(raw)
        managed = ollama_store.post(path, body)
        if managed:
            return self.say(*managed)
        is_openai = "/v1/" in path or "/openai/" in path
        dialect = OpenAi if is_openai else Gemini if path.startswith("/v1beta") else Ollama
        if path.startswith("/anthropic/"):
            dialect = Anthropic
        if "broken" in body.get("model", path) or "broken" in path:
            return self.say(400, json.dumps(dialect.error("the model is broken", 400)))
        streams = dialect is Ollama and not path.startswith("/api/embed")
        if not body.get("stream", streams) and ":stream" not in path:
            return self.say(200, json.dumps(dialect.answer(body, path)))
        frames, kind = dialect.frame(dialect.stream(body, path))
        if "Wait" in json.dumps(body):
            return self.say_half(frames, kind)
        self.say(200, "".join(frames), kind)


def start():
    """Starts it on a free port; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
