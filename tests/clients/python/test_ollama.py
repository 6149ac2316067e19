"""Promise: every method of the `ollama` client does what it does with a real Ollama, whichever provider answers."""

import asyncio
import json
import os
import time
import urllib.request

import ollama
import pytest
from test_clients import CALLS, HELLO, MODELS, PIXEL, QUESTION, TOOLS, every_model, every_seeing

BASE, UPSTREAM = os.environ["POLYLLAMA_URL"], os.environ["UPSTREAM_URL"]
OLLAMA = ollama.Client(host=BASE)
# Where it stood between tags, the newline before the closing one stays, as with Ollama: compared without it.
THOUGHT = "The user wants a greeting."
THINKERS = [name for name in MODELS if not name.startswith(("openai", "cohere", "codestral"))]
EMBEDDERS = [
    "openai:text-embedding-3-small",
    "google:gemini-embedding-001",
    "nomic-embed-text",
    "openrouter:openai/text-embedding-3-small",
    "cohere:embed-v4.0",
    "qwen:text-embedding-v4",
]

every_thinker = pytest.mark.parametrize("model", THINKERS)
every_embedder = pytest.mark.parametrize("model", EMBEDDERS)
whole_and_streamed = pytest.mark.parametrize("stream", [False, True])


def parts(answer, stream):
    return list(answer) if stream else [answer]


def names():
    return {row.model for row in OLLAMA.list().models}


@every_model
@whole_and_streamed
def test_chat_by_an_async_client(model, stream):
    async def ask():
        client = ollama.AsyncClient(host=BASE)
        answer = await client.chat(model, messages=QUESTION, stream=stream)
        said = [chunk async for chunk in answer] if stream else [answer]
        await client.close()
        return said

    said = asyncio.run(ask())
    assert "".join(chunk.message.content for chunk in said) == HELLO
    last = said[-1]
    assert last.done and last.model == model and last.created_at
    assert min(last.total_duration, last.eval_duration, last.prompt_eval_count, last.eval_count) > 0


@every_thinker
@whole_and_streamed
def test_thinking(model, stream):
    question = [{"role": "user", "content": "Think, then greet."}]
    said = parts(OLLAMA.chat(model, messages=question, think=True, stream=stream), stream)
    assert "".join(chunk.message.thinking or "" for chunk in said).strip() == THOUGHT
    assert "".join(chunk.message.content for chunk in said) == HELLO
    said = parts(OLLAMA.generate(model, prompt="Think, then greet.", think="low", stream=stream), stream)
    assert "".join(chunk.thinking or "" for chunk in said).strip() == THOUGHT
    assert "".join(chunk.response for chunk in said) == HELLO


@every_model
def test_thoughts_before_tool_calls_go_back_and_forth(model):
    question = [{"role": "user", "content": "Think of the weather."}]
    message = OLLAMA.chat(model, messages=question, tools=TOOLS).message
    assert message.thinking.strip() == THOUGHT
    assert [(call.function.name, dict(call.function.arguments)) for call in message.tool_calls] == CALLS
    results = [{"role": "tool", "content": said, "tool_name": call.function.name} for said, call in zip(["20", "noon"], message.tool_calls)]
    last = OLLAMA.chat(model, messages=[*question, message, *results], tools=TOOLS).message
    assert "20" in last.content and "noon" in last.content


def weather(city: str) -> str:
    """Tells the weather.

    Args:
      city: The city.

    Returns:
      The weather.
    """


@every_model
def test_a_function_is_a_tool(model):
    calls = OLLAMA.chat(model, messages=QUESTION, tools=[weather]).message.tool_calls
    assert calls[0].function.arguments["city"] == "Paris"


@every_model
@whole_and_streamed
def test_format(model, stream):
    said = parts(OLLAMA.generate(model, prompt="Where?", format="json", stream=stream), stream)
    assert json.loads("".join(chunk.response for chunk in said)) == {"city": "Paris", "degrees": 20}


@every_seeing
def test_an_image_to_generate(model):
    assert OLLAMA.generate(model, prompt="What is it?", images=[PIXEL]).response == f"An image of {len(PIXEL)} bytes"


@every_model
def test_options_and_keep_alive(model):
    options = ollama.Options(temperature=0.2, num_predict=32, num_ctx=4096, seed=7, top_k=20, top_p=0.9, stop=["END"], num_gpu=1)
    assert OLLAMA.chat(model, messages=QUESTION, options=options, keep_alive="10m").message.content == HELLO
    assert OLLAMA.generate(model, prompt="Hi", system="Be kind.", options={"repeat_penalty": 1.1}, keep_alive=-1).response == HELLO


@every_model
def test_load_ps_and_unload(model):
    assert OLLAMA.generate(model, prompt="", keep_alive="10m").done_reason == "load"
    OLLAMA.chat(model, messages=QUESTION)
    shown = {row.model: row for row in OLLAMA.ps().models}
    row = shown.get(model) or shown[model + ":latest"]
    assert row.name == row.model and len(row.digest) == 64 and row.size >= 0
    assert row.expires_at.timestamp() > time.time()
    assert OLLAMA.generate(model, keep_alive=0).done_reason == "unload"
    assert not {model, model + ":latest"} & {row.model for row in OLLAMA.ps().models}


@every_embedder
def test_embed(model):
    answer = OLLAMA.embed(model, input=["three", "more and more"])
    # As long as the text, 4, 0; of unit length.
    assert [vector[0] / vector[1] for vector in answer.embeddings] == pytest.approx([5 / 4, 13 / 4])
    assert [sum(n * n for n in vector) for vector in answer.embeddings] == pytest.approx([1, 1])
    assert answer.model == model and answer.total_duration > 0
    assert len(OLLAMA.embed(model, input="one").embeddings) == 1
    assert OLLAMA.embed(model, input="three", truncate=True, dimensions=2).embeddings[0][:2] == pytest.approx([0.7809, 0.6247], abs=1e-4)


@every_embedder
def test_embeddings(model):
    vector = OLLAMA.embeddings(model, prompt="three").embedding
    assert vector == pytest.approx([5.0, 4.0, 0.0])


@every_model
@whole_and_streamed
def test_pull_of_a_listed_model(model, stream):
    assert parts(OLLAMA.pull(model, stream=stream), stream)[-1].status == "success"


@whole_and_streamed
def test_pull_shows_progress_and_the_model_is_listed(stream):
    name = f"pulled-{stream}:latest"
    lines = parts(OLLAMA.pull(name, stream=stream), stream)
    assert lines[-1].status == "success"
    if stream:
        assert [line.completed for line in lines if line.digest] == [1000, 3000]
        assert {line.total for line in lines if line.digest} == {3000}
    assert name in names()
    assert OLLAMA.chat(name, messages=QUESTION).message.content == HELLO
    assert OLLAMA.delete(name).status == "success"
    assert name not in names()


@whole_and_streamed
def test_pull_of_an_unknown_model(stream):
    with pytest.raises(ollama.ResponseError, match="file does not exist"):
        parts(OLLAMA.pull("missing", stream=stream), stream)


@whole_and_streamed
def test_push(stream):
    lines = parts(OLLAMA.push("llama3.2", stream=stream), stream)
    assert lines[-1].status == "success"
    with pytest.raises(ollama.ResponseError):
        parts(OLLAMA.push("openai:gpt-4o", stream=stream), stream)


@whole_and_streamed
def test_create_copy_and_delete(stream):
    lines = parts(OLLAMA.create("pirate", from_="llama3.2", system="Arr.", parameters={"num_ctx": 4096}, stream=stream), stream)
    assert lines[-1].status == "success"
    assert OLLAMA.copy("pirate", "captain").status == "success"
    assert {"pirate:latest", "captain:latest"} <= names()
    assert OLLAMA.generate("captain", prompt="Hi").response == HELLO
    for name in ("pirate", "captain"):
        assert OLLAMA.delete(name).status == "success"
    assert not {"pirate:latest", "captain:latest"} & names()
    with pytest.raises(ollama.ResponseError) as caught:
        OLLAMA.delete("pirate")
    assert caught.value.status_code == 404


def test_a_cloud_model_is_not_ours_to_manage():
    for manage in (
        lambda: OLLAMA.delete("openai:gpt-4o"),
        lambda: OLLAMA.copy("openai:gpt-4o", "mine"),
        lambda: OLLAMA.create("mine", from_="openai:gpt-4o"),
    ):
        with pytest.raises(ollama.ResponseError) as caught:
            manage()
        assert 400 <= caught.value.status_code < 500 and "gpt-4o" in caught.value.error
    assert "openai:gpt-4o" in names()


def test_a_blob_and_a_model_of_it(tmp_path):
    weights = tmp_path / "weights.gguf"
    weights.write_bytes(os.urandom(3_000_000))
    digest = OLLAMA.create_blob(weights)
    assert OLLAMA.create_blob(weights) == digest
    assert OLLAMA.create("mine", files={"weights.gguf": digest}).status == "success"
    assert "mine:latest" in names()
    assert OLLAMA.delete("mine").status == "success"
    with pytest.raises(ollama.ResponseError):
        OLLAMA.create("mine", files={"weights.gguf": "sha256:" + "0" * 64})


def left():
    return int(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(UPSTREAM + "/left").read())


@every_model
def test_a_stream_that_is_closed_is_closed_up_to_the_provider(model):
    before = left()
    with ollama.Client(host=BASE) as client:
        stream = client.chat(model, messages=[{"role": "user", "content": "Wait."}], stream=True)
        assert next(stream).message.content
        stream.close()
    deadline = time.monotonic() + 20
    while left() == before:
        assert time.monotonic() < deadline, "the provider still answers"
        time.sleep(0.01)


def test_what_a_real_ollama_does_not_do_either():
    with pytest.raises(ValueError):
        OLLAMA.web_search("polyllama")  # goes to ollama.com by itself, and only with its key
    with pytest.raises(ValueError):
        OLLAMA.web_fetch("https://example.com")
    if hasattr(OLLAMA, "systemone"):
        with pytest.raises(ollama.ResponseError) as caught:
            OLLAMA.systemone("llama3.2", state="x", questions={"q": {"type": "noul", "instructions": "Is it?"}})
        assert 400 <= caught.value.status_code < 600
