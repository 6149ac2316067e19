"""Promise: the official Python clients of Ollama and OpenAI work, unchanged, with every kind of provider behind."""

import base64
import os

import ollama
import openai
import pytest
from pydantic import BaseModel

BASE = os.environ["POLYLLAMA_URL"]
OLLAMA = ollama.Client(host=BASE)
OPENAI = openai.OpenAI(base_url=BASE + "/v1", api_key="unused", max_retries=0)
# One to chat with from each provider.
MODELS = [
    "openai:gpt-4o",
    "google:gemini-2.5-flash",
    "llama3.2",
    "openrouter:anthropic/claude-sonnet-4.5",
    "akash:deepseek-ai/DeepSeek-V3.1",
    "cohere:command-a-03-2025",
    "codestral:codestral-latest",
    "qwen:qwen3-vl-plus",
]
# Where that one can't see, another that can; Codestral has none.
SEEING = {
    "akash:deepseek-ai/DeepSeek-V3.1": "akash:meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
    "cohere:command-a-03-2025": "cohere:command-a-vision-07-2025",
    "codestral:codestral-latest": None,
}
BROKEN = [prefix + ":broken" for prefix in ("openai", "google", "ollama", "openrouter", "akash", "cohere", "codestral", "qwen")]
LISTED = {
    *(name for name in MODELS if name != "llama3.2"),
    *(name for name in SEEING.values() if name),
    *("llama3.2:latest", "nomic-embed-text:latest"),
    *("openai:text-embedding-3-small", "google:gemini-embedding-001", "openrouter:openai/text-embedding-3-small"),
    *("cohere:embed-v4.0", "qwen:text-embedding-v4"),
}
HELLO = "Hello from the model"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
QUESTION = [{"role": "user", "content": "Hi"}]


def tool(name, field):
    parameters = {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}
    return {"type": "function", "function": {"name": name, "description": "Tells it.", "parameters": parameters}}


TOOLS = [tool("get_weather", "city"), tool("get_time", "zone")]
CALLS = [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "UTC"})]


class Weather(BaseModel):
    city: str
    degrees: int


every_model = pytest.mark.parametrize("model", MODELS)
every_seeing = pytest.mark.parametrize("model", [name for name in (SEEING.get(model, model) for model in MODELS) if name])
every_broken = pytest.mark.parametrize("model", BROKEN)


@every_model
def test_ollama_chat(model):
    answer = OLLAMA.chat(model, messages=QUESTION)
    assert answer.message.content == HELLO
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert (answer.prompt_eval_count, answer.eval_count) == (11, 7)


@every_model
def test_ollama_chat_stream(model):
    chunks = list(OLLAMA.chat(model, messages=QUESTION, stream=True))
    assert "".join(chunk.message.content for chunk in chunks) == HELLO
    assert [chunk.done for chunk in chunks][-1] is True and len(chunks) > 2


@every_model
def test_ollama_generate(model):
    assert OLLAMA.generate(model, prompt="Hi").response == HELLO
    assert "".join(chunk.response for chunk in OLLAMA.generate(model, prompt="Hi", stream=True)) == HELLO


@every_model
@pytest.mark.parametrize("stream", [False, True])
def test_ollama_tools(model, stream):
    answer = OLLAMA.chat(model, messages=QUESTION, tools=TOOLS, stream=stream)
    messages = [chunk.message for chunk in answer] if stream else [answer.message]
    made = [call for message in messages for call in message.tool_calls or []]
    assert [(call.function.name, dict(call.function.arguments)) for call in made] == CALLS
    history = QUESTION + [{"role": "assistant", "content": "", "tool_calls": made}]
    history += [{"role": "tool", "content": said, "tool_name": call.function.name} for said, call in zip(["20", "noon"], made)]
    last = OLLAMA.chat(model, messages=history, tools=TOOLS)
    assert "20" in last.message.content and "noon" in last.message.content


@every_seeing
def test_ollama_image(model):
    answer = OLLAMA.chat(model, messages=[{"role": "user", "content": "What is it?", "images": [PIXEL]}])
    assert answer.message.content == f"An image of {len(PIXEL)} bytes"


@every_model
def test_ollama_structured(model):
    answer = OLLAMA.chat(model, messages=QUESTION, format=Weather.model_json_schema())
    assert Weather.model_validate_json(answer.message.content) == Weather(city="Paris", degrees=20)


def test_ollama_lists():
    rows = OLLAMA.list().models
    assert LISTED <= {row.model for row in rows}
    for row in rows:
        shown = OLLAMA.show(row.model)
        assert ("embedding" if "embed" in row.model else "completion") in shown.capabilities
        assert row.size >= 0 and len(row.digest) == 64 and row.modified_at.tzinfo
        assert shown.modelinfo["general.architecture"] and shown.details.family is not None


def test_ollama_unknown_model():
    with pytest.raises(ollama.ResponseError) as caught:
        OLLAMA.chat("nobody-knows-me", messages=QUESTION)
    assert caught.value.status_code == 404 and "nobody-knows-me" in caught.value.error


@every_broken
@pytest.mark.parametrize("stream", [False, True])
def test_ollama_error(model, stream):
    with pytest.raises(ollama.ResponseError) as caught:
        answer = OLLAMA.chat(model, messages=QUESTION, stream=stream)
        list(answer)
    assert caught.value.status_code == 400 and "the model is broken" in caught.value.error


@every_model
def test_openai_chat(model):
    answer = OPENAI.chat.completions.create(model=model, messages=QUESTION)
    assert answer.choices[0].message.content == HELLO
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (11, 7, 18)


@every_model
def test_openai_chat_stream(model):
    chunks = list(OPENAI.chat.completions.create(model=model, messages=QUESTION, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == HELLO
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [7] and chunks[-1].usage


@every_model
def test_openai_completions(model):
    assert OPENAI.completions.create(model=model, prompt="Hi").choices[0].text == HELLO
    chunks = OPENAI.completions.create(model=model, prompt="Hi", stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == HELLO


@every_model
def test_openai_tools(model):
    message = OPENAI.chat.completions.create(model=model, messages=QUESTION, tools=TOOLS).choices[0].message
    import json

    assert [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls] == CALLS
    history = QUESTION + [message] + [
        {"role": "tool", "tool_call_id": call.id, "content": said} for said, call in zip(["20", "noon"], message.tool_calls)
    ]
    last = OPENAI.chat.completions.create(model=model, messages=history, tools=TOOLS)
    assert "20" in last.choices[0].message.content and "noon" in last.choices[0].message.content


@every_model
def test_openai_tools_stream(model):
    with OPENAI.chat.completions.stream(model=model, messages=QUESTION, tools=TOOLS) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [call.function.name for call in message.tool_calls] == [name for name, _ in CALLS]


@every_seeing
def test_openai_image(model):
    url = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = OPENAI.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == f"An image of {len(PIXEL)} bytes"


def schema_format():
    schema = {**Weather.model_json_schema(), "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "weather", "schema": schema, "strict": True}}


# Google's OpenAI face is passed, and this upstream plays it as it plays OpenAI's.
@every_model
def test_openai_structured(model):
    answer = OPENAI.chat.completions.create(model=model, messages=QUESTION, response_format=schema_format())
    assert Weather.model_validate_json(answer.choices[0].message.content).degrees == 20


def test_openai_lists():
    assert LISTED <= {row.id for row in OPENAI.models.list()}
    assert OPENAI.models.retrieve("openai:gpt-4o").id == "openai:gpt-4o"


def test_openai_unknown_model():
    with pytest.raises(openai.NotFoundError) as caught:
        OPENAI.chat.completions.create(model="nobody-knows-me", messages=QUESTION)
    assert caught.value.code == "model_not_found"


@every_broken
@pytest.mark.parametrize("stream", [False, True])
def test_openai_error(model, stream):
    with pytest.raises(openai.BadRequestError) as caught:
        OPENAI.chat.completions.create(model=model, messages=QUESTION, stream=stream)
    assert "the model is broken" in caught.value.message
