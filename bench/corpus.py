"""A request as a coding agent sends it late in a session: 330 KB, 300 items, always the same bytes."""

from __future__ import annotations

import json
import random

ITEMS = 300
SIZE_BYTES = 330_000
SEED = 20_261_121
TURN = ("message", "reasoning", "call", "output", "reasoning", "call", "output", "call", "output", "answer")
"""The items of one exchange: a question, three tool calls with thoughts before them, an answer."""

CODE = (
    "def read_frames(buffer: bytearray) -> list[bytes]:",
    '    """Return the frames that are complete; the rest stays in `buffer`."""',
    '    *frames, rest = bytes(buffer).split(b"\\n\\n")',
    "    buffer[:] = rest",
    '    return [frame for frame in frames if not frame.startswith(b":")]',
    "E       AssertionError: expected 'completed', got 'in_progress'  # “naïve” reader",
    "src/reader.py:118: in wait_closed\n\tawait self._closed.wait()",
)
PROSE = (
    "Let me look at the reader first, then run its tests again.",
    "The test fails because the last frame has no blank line after it.",
    "I'd keep the public function as it is and mend the splitting – the callers rely on its order.",
    "Please don't touch the changelog; it is written at release time.",
)
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def request_body() -> bytes:
    """The JSON of one create request, within 1 % of SIZE_BYTES and with exactly ITEMS items."""
    low, high = 0.1, 10.0  # how long texts are; the size grows with it, so halving finds it
    while True:
        scale = (low + high) / 2
        body = json.dumps(request(scale), ensure_ascii=False, separators=(",", ":")).encode()
        if abs(len(body) - SIZE_BYTES) <= SIZE_BYTES // 100:
            return body
        low, high = (scale, high) if len(body) < SIZE_BYTES else (low, scale)


def request(scale: float) -> dict[str, object]:
    return {
        "model": "mock/mock-20",
        "instructions": "You are a careful programmer. " + " ".join(PROSE * 20),
        "input": items(random.Random(SEED), scale),
        "tools": [tool(name) for name in ("shell", "read_file", "apply_patch", "update_plan")],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0199f2c4-2f5e-7c10-9c3a-5a1d3f0e8b77",
        "store": False,
        "stream": True,
    }


def items(chance: random.Random, scale: float) -> list[dict[str, object]]:
    made: list[dict[str, object]] = []
    call_id = ""
    for index in range(ITEMS):
        kind = TURN[index % len(TURN)]
        if kind == "call":
            call_id = f"call_{chance.getrandbits(96):024x}"
        made.append(item(kind, index, call_id, chance, scale))
    return made


def item(kind: str, index: int, call_id: str, chance: random.Random, scale: float) -> dict[str, object]:
    if kind == "message":
        text = lines(PROSE, chance, 4 * scale)
        return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    if kind == "reasoning":
        sealed = "".join(chance.choices(BASE64, k=int(900 * scale)))
        summary = [{"type": "summary_text", "text": lines(PROSE, chance, 2 * scale)}]
        return {"type": "reasoning", "id": f"rs_{index:032x}", "summary": summary, "encrypted_content": sealed}
    if kind == "call":
        arguments = json.dumps({"command": ["bash", "-lc", lines(CODE, chance, 3 * scale)], "timeout_ms": 10_000})
        call: dict[str, object] = {"type": "function_call", "id": f"fc_{index:032x}", "call_id": call_id}
        return call | {"name": "shell", "arguments": arguments, "status": "completed"}
    if kind == "output":
        output = json.dumps({"output": lines(CODE, chance, 24 * scale), "metadata": {"exit_code": 0}})
        return {"type": "function_call_output", "call_id": call_id, "output": output}
    content = [{"type": "output_text", "text": lines(PROSE, chance, 5 * scale), "annotations": [], "logprobs": []}]
    answer: dict[str, object] = {
        "type": "message",
        "id": f"msg_{index:032x}",
        "role": "assistant",
        "status": "completed",
    }
    return answer | {"content": content}


def lines(of: tuple[str, ...], chance: random.Random, about: float) -> str:
    """Around `about` lines, drawn from `of`."""
    return "\n".join(chance.choices(of, k=max(1, round(about * chance.uniform(0.5, 1.5)))))


def tool(name: str) -> dict[str, object]:
    properties = {
        "command": {"type": "array", "items": {"type": "string"}, "description": "What to run."},
        "workdir": {"type": "string", "description": "Where to run it."},
        "timeout_ms": {"type": "number", "description": "How long it may take."},
    }
    parameters = {"type": "object", "properties": properties, "required": ["command"], "additionalProperties": False}
    about = f"{name}: " + " ".join(PROSE)
    return {"type": "function", "name": name, "description": about, "parameters": parameters, "strict": False}
