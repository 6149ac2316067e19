"""Promise: OpenAI's own client takes a model at an Ollama server for what Ollama's `/v1` face says of it."""

import os

import openai
import pytest

BASE = os.environ["POLYLLAMA_URL"]
MODEL = "llama3.2"
QUESTION = [{"role": "user", "content": "Hi"}]


# Tools that ask for LM Studio's routes use the same client.
@pytest.fixture(params=["/v1", "/api/v0"])
def client(request):
    return openai.OpenAI(base_url=BASE + request.param, api_key="unused", max_retries=0)


def test_answers_have_ollamas_form(client):
    answer = client.chat.completions.create(model=MODEL, messages=QUESTION)
    assert answer.system_fingerprint == "fp_ollama" and answer.id.startswith("chatcmpl-")
    assert answer.choices[0].message.content == "Hello from the model"
    assert answer.usage.total_tokens == 18
    chunks = list(client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[0].choices[0].delta.content
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_lists_and_details(client):
    row = next(row for row in client.models.list() if row.id == "llama3.2:latest")
    assert row.object == "model"
    assert client.models.retrieve(MODEL).id == MODEL


def test_errors_are_understood(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[])
    assert caught.value.body["message"] == "[] is too short - 'messages'"
    assert (caught.value.type, caught.value.code, caught.value.param) == ("invalid_request_error", None, None)
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=QUESTION, n=2)
    assert "n must be 1" in caught.value.message
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="ollama:broken", messages=QUESTION, stream=True)
    assert caught.value.body["message"] == "the model is broken"
