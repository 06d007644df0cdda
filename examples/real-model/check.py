"""The official Python client against a running Antiphon: answers, streams, structure, tools, state, background.

ANTIPHON_URL=http://127.0.0.1:8484 ANTIPHON_API_KEY=… python check.py local/markov-choir
"""

import asyncio
import os
import sys

from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

ADDRESS = {"base_url": os.environ.get("ANTIPHON_URL", "http://127.0.0.1:8484") + "/v1"}
KEY = {"api_key": os.environ["ANTIPHON_API_KEY"]}
MODEL = sys.argv[1]
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


class City(BaseModel):
    name: str
    population: int


def one_after_another(client: OpenAI) -> None:
    whole = client.responses.create(model=MODEL, input="hello")
    print("whole       ", whole.status, "-", whole.output_text)

    with client.responses.stream(model=MODEL, input="the weather") as stream:
        deltas = sum(event.type == "response.output_text.delta" for event in stream)
        final = stream.get_final_response()
    print("stream      ", deltas, "deltas -", final.output_text)

    parsed = client.responses.parse(model=MODEL, input="a city", text_format=City, max_output_tokens=300)
    print("parse       ", repr(parsed.output_parsed))

    asked = client.responses.create(
        model=MODEL, input="weather?", tools=[WEATHER], tool_choice={"type": "function", "name": "get_weather"}
    )
    call = asked.output[0]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "mild"}
    told = client.responses.create(model=MODEL, previous_response_id=asked.id, input=[output])
    print("tool loop   ", call.name, call.arguments, "-", told.output_text)

    conversation = client.conversations.create(items=[{"type": "message", "role": "user", "content": "hi"}])
    client.responses.create(model=MODEL, conversation=conversation.id, input="and now?")
    items = [item.type for item in client.conversations.items.list(conversation.id)]
    print("conversation", len(items), "items")


async def at_the_same_time(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(
        model=MODEL, input="hello", stream=True, include=["message.output_text.logprobs"], top_logprobs=2
    )
    tokens = [event.logprobs[0] async for event in stream if event.type == "response.output_text.delta"]
    print("logprobs    ", len(tokens), "tokens, the first", repr(tokens[0].token), round(tokens[0].logprob, 2))

    run = await client.responses.create(model=MODEL, input="hello", background=True)
    while run.status in {"queued", "in_progress"}:
        await asyncio.sleep(0.1)
        run = await client.responses.retrieve(run.id)
    print("background  ", run.status, "-", run.output_text)


one_after_another(OpenAI(**ADDRESS, **KEY))
asyncio.run(at_the_same_time(AsyncOpenAI(**ADDRESS, **KEY)))
