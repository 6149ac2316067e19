"""Promise: Google's own Python SDK works, unchanged, with every kind of provider behind: as events, with its chats, its automatic
function calling, its counts, vectors and lists.
"""

import base64
import os

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

BASE = os.environ["POLYLLAMA_URL"]


def client(version="v1beta"):
    options = types.HttpOptions(base_url=BASE, api_version=version)
    return genai.Client(api_key="unused", vertexai=False, http_options=options)


GOOGLE = client()
MODELS = ["openai:gpt-4o", "google:gemini-2.5-flash", "llama3.2"]
EMBEDDERS = ["openai:text-embedding-3-small", "google:gemini-embedding-001", "ollama:nomic-embed-text"]
BROKEN = ["openai:broken", "google:broken", "ollama:broken"]
HELLO = "Hello from the model"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

every_model = pytest.mark.parametrize("model", MODELS)
every_broken = pytest.mark.parametrize("model", BROKEN)
every_version = pytest.mark.parametrize("version", ["v1beta", "v1", "v1alpha"])


class Weather(BaseModel):
    city: str
    degrees: int


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"20 degrees in {city}"


def get_time(zone: str) -> str:
    """Tells the time of a zone."""
    return f"noon in {zone}"


@every_version
@every_model
def test_google_generate(model, version):
    config = types.GenerateContentConfig(
        system_instruction="Be brief.", temperature=0.5, top_k=40, max_output_tokens=100, stop_sequences=["END"], seed=7
    )
    google = client(version)
    answer = google.models.generate_content(model=model, contents="Hi", config=config)
    assert answer.text == HELLO
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    counts = answer.usage_metadata
    assert (counts.prompt_token_count, counts.candidates_token_count, counts.total_token_count) == (11, 7, 18)


@every_model
def test_google_stream(model):
    chunks = list(GOOGLE.models.generate_content_stream(model=model, contents="Hi"))
    assert "".join(chunk.text or "" for chunk in chunks) == HELLO and len(chunks) > 1
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.total_token_count == 18


@every_model
def test_google_chat_keeps_its_history(model):
    chat = GOOGLE.chats.create(model=model)
    assert chat.send_message("Hi").text == HELLO
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("Again")) == HELLO
    # What the SDK takes for broken it leaves out of this one.
    turns = chat.get_history(curated=True)
    assert [turn.role for turn in turns if turn.role == "user"] == ["user", "user"]
    assert "".join(part.text or "" for turn in turns if turn.role == "model" for part in turn.parts) == HELLO * 2


@every_model
def test_google_calls_functions_by_itself(model):
    config = types.GenerateContentConfig(tools=[get_weather, get_time])
    answer = GOOGLE.models.generate_content(model=model, contents="Weather and time?", config=config)
    assert "20 degrees in Paris" in answer.text and "noon in UTC" in answer.text
    assert len(answer.automatic_function_calling_history) == 3


@every_model
@pytest.mark.parametrize("stream", [False, True])
def test_google_functions_by_hand(model, stream):
    parameters = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}
    declared = [
        types.FunctionDeclaration(name="get_weather", description="D", parameters=parameters),
        types.FunctionDeclaration(name="get_time", parameters_json_schema={"type": "object", "properties": {"zone": {"type": "string"}}}),
    ]
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=declared)])
    question = types.Content(role="user", parts=[types.Part(text="Weather and time?")])
    if stream:
        chunks = list(GOOGLE.models.generate_content_stream(model=model, contents=[question], config=config))
        said = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    else:
        said = GOOGLE.models.generate_content(model=model, contents=[question], config=config).candidates[0].content.parts
    calls = [part for part in said if part.function_call]
    assert [(c.function_call.name, c.function_call.args) for c in calls] == [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "UTC"})]
    results = [
        types.Part.from_function_response(name=call.function_call.name, response={"result": result})
        for call, result in zip(calls, ["sunny", "noon"])
    ]
    history = [question, types.Content(role="model", parts=calls), types.Content(role="user", parts=results)]
    last = GOOGLE.models.generate_content(model=model, contents=history, config=config)
    assert "sunny" in last.text and "noon" in last.text


@every_model
def test_google_image(model):
    contents = [types.Part.from_bytes(data=PIXEL, mime_type="image/png"), "What is it?"]
    assert GOOGLE.models.generate_content(model=model, contents=contents).text == f"An image of {len(PIXEL)} bytes"


@every_model
def test_google_schema(model):
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Weather)
    answer = GOOGLE.models.generate_content(model=model, contents="Weather?", config=config)
    assert answer.parsed == Weather(city="Paris", degrees=20)


@every_model
def test_google_counts_tokens(model):
    assert GOOGLE.models.count_tokens(model=model, contents="Hi there").total_tokens > 0


@pytest.mark.parametrize("model", EMBEDDERS)
def test_google_embeddings(model):
    # Bare strings the SDK makes one content of, where a model's name is not one that it knows.
    contents = [types.Content(parts=[types.Part(text=text)]) for text in ["abc", "abcdef"]]
    answer = GOOGLE.models.embed_content(model=model, contents=contents)
    directions = [round(e.values[0] / e.values[1], 3) for e in answer.embeddings]
    assert directions == [0.75, 1.5]


@every_version
def test_google_lists(version):
    google = client(version)
    pages = google.models.list(config={"page_size": 1})
    names = [model.name for model in pages]
    assert "models/openai:gpt-4o" in names and "models/google:gemini-2.5-flash" in names
    assert len(names) == len(set(names))
    one = google.models.get(model="openai:gpt-4o")
    assert one.name == "models/openai:gpt-4o" and "generateContent" in one.supported_actions


@every_broken
@pytest.mark.parametrize("stream", [False, True])
def test_google_errors(model, stream):
    with pytest.raises(errors.ClientError) as caught:
        if stream:
            list(GOOGLE.models.generate_content_stream(model=model, contents="Hi"))
        else:
            GOOGLE.models.generate_content(model=model, contents="Hi")
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert "the model is broken" in caught.value.message


def test_google_unknown_model():
    with pytest.raises(errors.ClientError) as caught:
        GOOGLE.models.generate_content(model="no-such-model-anywhere", contents="Hi")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
