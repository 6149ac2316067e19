"""Promise: the official Python client of Anthropic works, unchanged, with every kind of provider behind."""

import base64
import os

import anthropic
import pytest
from pydantic import BaseModel

CLIENT = anthropic.Anthropic(base_url=os.environ["POLYLLAMA_URL"], api_key="unused", max_retries=0)
MODELS = ["openai:gpt-4o", "google:gemini-2.5-flash", "llama3.2", "anthropic:claude-sonnet-4-5"]
BROKEN = ["openai:broken", "google:broken", "ollama:broken", "anthropic:broken"]
HELLO = "Hello from the model"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
QUESTION = [{"role": "user", "content": "Hi"}]
CALLS = [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "UTC"})]


def tool(name, field):
    schema = {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}
    return {"name": name, "description": "Tells it.", "input_schema": schema}


TOOLS = [tool("get_weather", "city"), tool("get_time", "zone")]

every_model = pytest.mark.parametrize("model", MODELS)


def ask(model, **more):
    return {"model": model, "max_tokens": 1024, "messages": QUESTION, **more}


@every_model
def test_a_message(model):
    message = CLIENT.messages.create(**ask(model, system="Be brief.", stop_sequences=["END"]))
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert "".join(block.text for block in message.content) == HELLO
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 7)
    assert message.model in (model, model.split(":")[-1]) and message._request_id


@every_model
def test_a_stream_by_its_helper(model):
    with CLIENT.messages.stream(**ask(model)) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(pieces) == HELLO and len(pieces) > 1
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("end_turn", 11, 7)


@every_model
@pytest.mark.parametrize("is_streamed", [False, True])
def test_tools(model, is_streamed):
    if is_streamed:
        with CLIENT.messages.stream(**ask(model, tools=TOOLS, tool_choice={"type": "auto"})) as stream:
            message = stream.get_final_message()
    else:
        message = CLIENT.messages.create(**ask(model, tools=TOOLS))
    made = [block for block in message.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in made] == CALLS
    assert message.stop_reason == "tool_use" and len({call.id for call in made}) == 2
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": said} for call, said in zip(made, ["20", "noon"])]
    history = [*QUESTION, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
    last = CLIENT.messages.create(**ask(model, messages=history, tools=TOOLS))
    assert "20" in last.content[0].text and "noon" in last.content[0].text


@every_model
def test_the_tool_runner(model):
    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Tells it."""
        return f"20 degrees in {city}"

    @anthropic.beta_tool
    def get_time(zone: str) -> str:
        """Tells it."""
        return f"noon in {zone}"

    runner = CLIENT.beta.messages.tool_runner(**ask(model, tools=[get_weather, get_time]))
    last = runner.until_done()
    assert "20 degrees in Paris" in last.content[0].text and "noon in UTC" in last.content[0].text


@every_model
def test_an_image(model):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]}]
    message = CLIENT.messages.create(**ask(model, messages=messages))
    assert message.content[0].text == f"An image of {len(base64.b64decode(PIXEL))} bytes"


class Weather(BaseModel):
    city: str
    degrees: int


@every_model
def test_a_parsed_answer(model):
    message = CLIENT.messages.parse(**ask(model, output_format=Weather))
    assert message.parsed_output == Weather(city="Paris", degrees=20)


@every_model
def test_counting(model):
    assert CLIENT.messages.count_tokens(model=model, messages=QUESTION, tools=TOOLS).input_tokens > 5


@pytest.mark.parametrize("model", BROKEN)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_errors(model, is_streamed):
    with pytest.raises(anthropic.BadRequestError) as told:
        CLIENT.messages.create(**ask(model, stream=is_streamed))
    assert "the model is broken" in str(told.value) and told.value.type == "invalid_request_error"


def test_an_unknown_model():
    with pytest.raises(anthropic.NotFoundError) as told:
        CLIENT.messages.create(**ask("no-such-model"))
    assert "no-such-model" in str(told.value) and told.value.request_id.startswith("req_")


def test_models():
    listed = [model.id for model in CLIENT.models.list(limit=2)]
    assert set(listed) >= {"openai:gpt-4o", "google:gemini-2.5-flash", "llama3.2:latest", "anthropic:claude-sonnet-4-5"}
    assert len(set(listed)) == len(listed)
    assert CLIENT.models.retrieve("openai:gpt-4o").type == "model"
