"""Promise: LangChain's ChatOllama, OllamaLLM and OllamaEmbeddings work as with an Ollama: tools, structure, streams, vectors."""

import base64
import os

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM
from test_clients import HELLO, PIXEL, Weather, every_model, every_seeing
from test_ollama import THOUGHT, every_embedder, every_thinker

BASE = os.environ["POLYLLAMA_URL"]
HISTORY = [SystemMessage("Be kind."), HumanMessage("Hi")]


@tool
def get_weather(city: str) -> str:
    """Tells the weather."""
    return f"20 degrees in {city}"


@tool
def get_time(zone: str) -> str:
    """Tells the time."""
    return f"noon in {zone}"


def chat(model, **more):
    return ChatOllama(model=model, base_url=BASE, temperature=0, **more)


@every_model
def test_invoke_and_stream(model):
    answer = chat(model).invoke(HISTORY)
    assert answer.content == HELLO
    assert answer.usage_metadata == {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    assert answer.response_metadata["done_reason"] == "stop" and answer.response_metadata["model"] == model
    chunks = list(chat(model).stream(HISTORY))
    assert "".join(chunk.content for chunk in chunks) == HELLO and len(chunks) > 2


@every_model
def test_a_model_that_is_validated_at_the_start_is_there(model):
    if model == "llama3.2":
        model = "llama3.2:latest"
    assert chat(model, validate_model_on_init=True).invoke("Hi").content == HELLO


@every_model
def test_bound_tools_in_a_loop(model):
    tools = {"get_weather": get_weather, "get_time": get_time}
    bound = chat(model).bind_tools(list(tools.values()))
    answer = bound.invoke(HISTORY)
    assert isinstance(answer, AIMessage)
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "UTC"})]
    results = [ToolMessage(tools[call["name"]].invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]
    last = bound.invoke([*HISTORY, answer, *results])
    assert "20 degrees in Paris" in last.content and "noon in UTC" in last.content


@every_model
def test_tool_calls_in_a_stream(model):
    gathered = None
    for chunk in chat(model).bind_tools([get_weather, get_time]).stream(HISTORY):
        gathered = chunk if gathered is None else gathered + chunk
    assert [call["name"] for call in gathered.tool_calls] == ["get_weather", "get_time"]
    assert gathered.tool_calls[0]["args"] == {"city": "Paris"}


@every_model
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
def test_structured_output(model, method):
    assert chat(model).with_structured_output(Weather, method=method).invoke("Where?") == Weather(city="Paris", degrees=20)


@every_thinker
def test_reasoning(model):
    answer = chat(model, reasoning=True).invoke("Think, then greet.")
    assert answer.content == HELLO and answer.additional_kwargs["reasoning_content"].strip() == THOUGHT


@every_seeing
def test_image(model):
    url = "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    assert chat(model).invoke([HumanMessage(content)]).content == f"An image of {len(PIXEL)} bytes"


@every_model
def test_completion(model):
    assert OllamaLLM(model=model, base_url=BASE).invoke("Hi") == HELLO
    assert "".join(OllamaLLM(model=model, base_url=BASE).stream("Hi")) == HELLO


@every_embedder
def test_vectors(model):
    embeddings = OllamaEmbeddings(model=model, base_url=BASE)
    documents = embeddings.embed_documents(["three", "more and more"])
    assert [vector[0] / vector[1] for vector in documents] == pytest.approx([5 / 4, 13 / 4])
    assert embeddings.embed_query("three") == pytest.approx(documents[0])
