"""One server that plays providers for the client tests: OpenAI under /v1, Google under /v1beta, Ollama under /api, Anthropic
under /anthropic/v1.

What it says follows from the question: with tools and a question it calls two of them, after their results it says what
they gave, an image it measures, JSON it gives when a schema is asked for; a model called `broken` fails. Else it says hello.
"""

import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HELLO = "Hello from the model"
SCHEMA_ANSWER = '{"city": "Paris", "degrees": 20}'
CALLS = [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "UTC"})]
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
MODELS = {"/v1/models": "gpt-4o", "/v1beta/models": "gemini-2.5-flash", "/api/tags": "llama3.2:latest"}
CLAUDE = "claude-sonnet-4-5"


def vector(text):
    """Its direction tells the text's length."""
    return [float(len(text)), 4.0, 0.0]


def reaction(images, results, has_tools, wants_schema):
    """Text and calls."""
    if results:
        return "The tools said: " + ", ".join(results), []
    if images:
        return f"An image of {len(base64.b64decode(images[0]))} bytes", []
    if has_tools:
        return "", CALLS
    return (SCHEMA_ANSWER if wants_schema else HELLO), []


def pieces(text):
    return [text[: len(text) // 2], text[len(text) // 2 :]] if text else []


class OpenAi:
    @staticmethod
    def react(body):
        messages = body.get("messages", [])
        parts = [p for m in messages if isinstance(m.get("content"), list) for p in m["content"]]
        images = [p["image_url"]["url"].split(",", 1)[1] for p in parts if p["type"] == "image_url"]
        results = [m["content"] for m in messages if m["role"] == "tool"]
        return reaction(images, results, body.get("tools"), "response_format" in body)

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
        text, calls = cls.react(body)
        finish = "tool_calls" if calls else "stop"
        if path.endswith("/chat/completions"):
            message = {"role": "assistant", "content": text or None}
            if calls:
                message["tool_calls"] = cls.calls(calls)
            choice, kind = {"index": 0, "message": message, "finish_reason": finish}, "chat.completion"
        else:
            choice, kind = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}, "text_completion"
        return {"id": "x1", "object": kind, "created": 1790000000, "model": body["model"], "choices": [choice], "usage": USAGE}

    @staticmethod
    def vectors(body):
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        rows = [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]
        return {"object": "list", "data": rows, "model": body["model"], "usage": {"prompt_tokens": 3, "total_tokens": 3}}

    @classmethod
    def stream(cls, body, path):
        text, calls = cls.react(body)
        is_chat = path.endswith("/chat/completions")
        head = {"id": "x1", "object": "chat.completion.chunk" if is_chat else "text_completion", "created": 1790000000, "model": body["model"]}

        def chunk(delta, finish=None):
            choice = {"index": 0, "delta": delta} if is_chat else {"index": 0, "text": delta.get("content", ""), "logprobs": None}
            return {**head, "choices": [{**choice, "finish_reason": finish}]}

        yield chunk({"role": "assistant", "content": ""})
        for piece in pieces(text):
            yield chunk({"content": piece})
        for call in cls.calls(calls):
            yield chunk({"tool_calls": [call]})
        yield chunk({}, "tool_calls" if calls else "stop")
        if body.get("stream_options", {}).get("include_usage"):
            yield {**head, "choices": [], "usage": USAGE}

    @staticmethod
    def frame(records):
        return "".join(f"data: {json.dumps(r)}\n\n" for r in records) + "data: [DONE]\n\n", "text/event-stream"

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
        return reaction(images, results, body.get("tools"), "responseMimeType" in config)

    @staticmethod
    def record(parts, finish):
        candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = "STOP"
        return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}}

    @classmethod
    def parts(cls, body):
        text, calls = cls.react(body)
        return [{"text": p} for p in pieces(text)] + [{"functionCall": {"name": n, "args": a}} for n, a in calls]

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
        return "".join(f"data: {json.dumps(r)}\r\n\r\n" for r in records), "text/event-stream"

    @staticmethod
    def error(message, status):
        return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}


class Ollama:
    @staticmethod
    def react(body):
        messages = body.get("messages", [body])
        images = [image for m in messages for image in m.get("images") or []]
        results = [m["content"] for m in messages if m.get("role") == "tool"]
        return reaction(images, results, body.get("tools"), body.get("format"))

    @staticmethod
    def line(body, path, text, calls, done):
        out = {"model": body["model"], "created_at": "2026-11-22T08:00:00.123456789Z"}
        if path == "/api/chat":
            out["message"] = {"role": "assistant", "content": text}
            if calls:
                out["message"]["tool_calls"] = [{"function": {"name": n, "arguments": a}} for n, a in calls]
        else:
            out["response"] = text
        out["done"] = done
        if done:
            out.update(done_reason="stop", total_duration=9, load_duration=1, prompt_eval_count=11, prompt_eval_duration=3, eval_count=7, eval_duration=5)
        return out

    @classmethod
    def answer(cls, body, path):
        if path == "/api/embed":
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            return {"model": body["model"], "embeddings": [vector(text) for text in texts], "prompt_eval_count": 3}
        return cls.line(body, path, *cls.react(body), True)

    @classmethod
    def stream(cls, body, path):
        text, calls = cls.react(body)
        lines = [cls.line(body, path, piece, [], False) for piece in pieces(text)]
        return lines + ([cls.line(body, path, "", calls, False)] if calls else []) + [cls.line(body, path, "", [], True)]

    @staticmethod
    def frame(records):
        return "".join(json.dumps(r) + "\n" for r in records), "application/x-ndjson"

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
        return reaction(images, said, body.get("tools"), wants_schema)

    @classmethod
    def message(cls, body):
        text, calls = cls.react(body)
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
        return "".join(f"event: {r['type']}\ndata: {json.dumps(r)}\n\n" for r in records), "text/event-stream"

    @staticmethod
    def error(message, status):
        return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, text, kind="application/json"):
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        path = self.path.split("?")[0]
        name = MODELS.get(path)
        if path == "/v1beta/models":
            row = {"name": "models/" + name, "inputTokenLimit": 1048576, "supportedGenerationMethods": ["generateContent"]}
            return self.say(200, json.dumps({"models": [row]}))
        if path == "/api/tags":
            details = {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "3B", "quantization_level": "Q4_K_M"}
            row = {"name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 5, "digest": "b" * 64, "details": details}
            return self.say(200, json.dumps({"models": [row]}))
        if path == "/anthropic/v1/models":
            row = {"type": "model", "id": CLAUDE, "display_name": CLAUDE, "created_at": "2025-09-29T00:00:00Z"}
            return self.say(200, json.dumps({"data": [row], "has_more": False, "first_id": CLAUDE, "last_id": CLAUDE}))
        if path.endswith("/models"):
            row = {"id": MODELS["/v1/models"], "object": "model", "created": 1, "owned_by": "openai"}
            return self.say(200, json.dumps({"object": "list", "data": [row]}))
        self.say(200, json.dumps({"version": "0.33.0", "models": []}))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.split("?")[0]
        if path == "/api/show":
            shown = {"details": {}, "model_info": {"general.architecture": "llama"}, "capabilities": ["completion", "tools", "vision"]}
            return self.say(200, json.dumps(shown))
        is_openai = path.startswith("/v1/") or "/openai/" in path
        dialect = OpenAi if is_openai else Gemini if path.startswith("/v1beta") else Ollama
        if path.startswith("/anthropic/"):
            dialect = Anthropic
        if "broken" in body.get("model", path) or "broken" in path:
            return self.say(400, json.dumps(dialect.error("the model is broken", 400)))
        default = dialect is Ollama and not path.startswith("/api/embed")
        if body.get("stream", default) or ":stream" in path:
            return self.say(200, *dialect.frame(dialect.stream(body, path)))
        self.say(200, json.dumps(dialect.answer(body, path)))


def start():
    """Starts it on a free port; its address."""
    import threading

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
