"""The models of the Ollama server that `upstream` plays: listed, loaded, pulled, pushed, made, copied, deleted.

Each function gives what `Handler.say` takes: status, body, content type.
"""

import hashlib
import json
import threading

NDJSON = "application/x-ndjson"
EXPIRES = "2318-10-22T16:17:43.123456789+01:00"

lock = threading.Lock()
blobs = {}
loaded = set()


def row(name, capabilities):
    details = {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-01-01T00:00:00.123456789+01:00",
        "size": 2019393189,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": details,
        "capabilities": capabilities,
    }


models = {
    name: row(name, capabilities)
    for name, capabilities in [
        ("llama3.2:latest", ["completion", "tools", "vision", "thinking"]),
        ("nomic-embed-text:latest", ["embedding"]),
    ]
}


def full(name):
    return name if ":" in name.rsplit("/", 1)[-1] else name + ":latest"


def named(body):
    return body.get("model") or body.get("name") or ""


def not_found(name):
    return 404, json.dumps({"error": f"model '{name}' not found"})


def get(path):
    with lock:
        if path == "/api/tags":
            return 200, json.dumps({"models": list(models.values())})
        if path == "/api/ps":
            rows = [{k: models[n][k] for k in ("name", "model", "size", "digest", "details")} for n in sorted(loaded) if n in models]
            return 200, json.dumps({"models": [{**r, "expires_at": EXPIRES, "size_vram": 0, "context_length": 4096} for r in rows]})
    return {"/api/version": (200, '{"version":"0.33.0"}'), "/": (200, "Ollama is running", "text/plain; charset=utf-8")}.get(path)


def head(path):
    digest = path.removeprefix("/api/blobs/")
    return None if digest == path else (200 if digest in blobs else 404,)


def put_blob(path, data):
    digest, got = path.removeprefix("/api/blobs/"), "sha256:" + hashlib.sha256(data).hexdigest()
    if digest != got:
        return 400, json.dumps({"error": f'digest mismatch, expected "{digest}", got "{got}"'})
    with lock:
        is_new = digest not in blobs
        blobs[digest] = len(data)
    return (201 if is_new else 200,)


def delete(body):
    with lock:
        found = models.pop(full(named(body)), None)
    return (200,) if found else not_found(named(body))


def post(path, body):
    """What a request that manages models, loads or unloads one gets; nothing for a question."""
    if path in ("/api/chat", "/api/generate"):
        return use(path, body)
    action = {"/api/show": show, "/api/pull": pull, "/api/push": push, "/api/create": create, "/api/copy": copy}.get(path)
    return action(body) if action else None


def use(path, body):
    name, is_empty = full(named(body)), not (body.get("messages") or body.get("prompt"))
    if name not in models:
        return None if "broken" in name else not_found(named(body))
    is_over = body.get("keep_alive") in (0, "0s")
    with lock:
        (loaded.discard if is_over else loaded.add)(name)
    if not is_empty:
        return None
    empty = {"message": {"role": "assistant", "content": ""}} if path == "/api/chat" else {"response": ""}
    said = {"model": named(body), "created_at": "2026-11-22T08:00:00Z", **empty, "done": True}
    return 200, json.dumps({**said, "done_reason": "unload" if is_over else "load"})


def show(body):
    with lock:
        found = models.get(full(named(body)))
    if not found:
        return not_found(full(named(body)))
    info = {"general.architecture": "llama", "general.basename": "Llama-3.2", "llama.context_length": 131072, "llama.embedding_length": 3072}
    parameters = 'stop                           "<|eot_id|>"'
    shown = {"license": "free", "modelfile": "FROM x", "parameters": parameters, "template": "{{ .Prompt }}", "details": found["details"]}
    rest = {"model_info": info, "capabilities": found["capabilities"], "modified_at": found["modified_at"]}
    return 200, json.dumps({**shown, **rest})


def told(body, lines, error=None):
    """Progress as a stream, or its end alone where no stream is wanted."""
    if body.get("stream", True):
        return 200, "".join(json.dumps(line) + "\n" for line in lines + ([{"error": error}] if error else [])), NDJSON
    return (500, json.dumps({"error": error})) if error else (200, json.dumps(lines[-1]))


def pull(body):
    name, manifest = full(named(body)), {"status": "pulling manifest"}
    if name.startswith("missing"):
        return told(body, [manifest], "pull model manifest: file does not exist")
    digest = "sha256:" + "c" * 64
    layer = [{"status": "pulling cccccccccccc", "digest": digest, "total": 3000, "completed": done} for done in (1000, 3000)]
    with lock:
        models.setdefault(name, row(name, ["completion", "tools"]))
    rest = [{"status": status} for status in ("verifying sha256 digest", "writing manifest", "success")]
    return told(body, [manifest, *layer, *rest])


def push(body):
    digest = "sha256:" + "d" * 64
    if full(named(body)) not in models:
        return told(body, [{"status": "couldn't retrieve manifest"}], "open manifest: no such file or directory")
    lines = [{"status": "pushing dddddddddddd", "digest": digest, "total": 5, "completed": 5}, {"status": "pushing manifest"}]
    return told(body, [{"status": "retrieving manifest"}, *lines, {"status": "success"}])


def create(body):
    source, files = body.get("from"), body.get("files") or {}
    if not source and not files:
        return 400, json.dumps({"error": "neither 'from' or 'files' was specified"})
    if any(digest not in blobs for digest in files.values()):
        return 400, json.dumps({"error": "blob not found"})
    name = full(named(body))
    with lock:
        models[name] = row(name, ["completion", "tools"])
    return told(body, [{"status": "using existing layer sha256:" + "c" * 64}, {"status": "writing manifest"}, {"status": "success"}])


def copy(body):
    source, destination = full(body["source"]), full(body["destination"])
    with lock:
        if source not in models:
            return 404, json.dumps({"error": f'model "{body["source"]}" not found'})
        models[destination] = {**models[source], "name": destination, "model": destination}
    return (200,)
