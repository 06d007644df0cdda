#!/usr/bin/env python3
"""Build a tiny, offline, hand-weighted GGUF model and serve it as a real third-party
OpenAI-compatible Chat Completions server (llama-cpp-python).

Nothing is downloaded and nothing is trained: the weights encode a word-level Markov chain of a
few sentences written below.  The network is a genuine one-layer `llama` graph, so llama.cpp runs
its usual code path (tokeniser, chat template, sampler, grammar, logprobs, embeddings), but the
model "knows" only which token tends to follow which.  It therefore produces fluent-ish nonsense
that ends by itself (finish_reason=stop), and *valid* JSON whenever a grammar / json_schema / tool
is forced on it.  It never follows instructions: use it for protocol checks, not for quality.

    python -m venv v && v/bin/pip install 'llama-cpp-python[server]' gguf   # compiles, ~10 min on 1 core
    v/bin/python make_and_serve.py make  model.gguf
    v/bin/python make_and_serve.py serve model.gguf --port 18080
    v/bin/python make_and_serve.py check http://127.0.0.1:18080
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import os
import sys
import urllib.error
import urllib.request

CORPUS = """
the choir answers the choir across the nave and the sound returns to the singers .
a server answers a client and the client reads the stream of events to the end .
the weather in paris is mild and the weather in tokyo is warm today .
a good answer is short and a long answer is late .
the file holds the text and the text holds the answer .
i can call a tool and read the result and then write a short answer .
when the result is late the client can cancel the call .
hello there , how can i help you today ?
"""
SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def byte_alphabet() -> dict[int, str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, nxt = {b: chr(b) for b in keep}, 256
    for b in range(256):
        if b not in table:
            table[b], nxt = chr(nxt), nxt + 1
    return table


def vocabulary():
    alpha = byte_alphabet()
    tokens = SPECIAL + [alpha[b] for b in range(256)]
    have, merges = set(tokens), []
    words = sorted({w for w in CORPUS.split() if w.isalpha()}, key=lambda w: (len(w), w))
    for form in [f for w in words for f in (w, " " + w)]:
        glyphs = "".join(alpha[b] for b in form.encode())
        for n in range(2, len(glyphs) + 1):  # one merge per added letter: "Ġ t", "Ġt h", "Ġth e"
            if glyphs[:n] not in have:
                have.add(glyphs[:n])
                tokens.append(glyphs[:n])
                merges.append(f"{glyphs[: n - 1]} {glyphs[n - 1]}")
    return tokens, merges


def transition_logits(tokens):
    import numpy as np

    alpha, index = byte_alphabet(), {t: i for i, t in enumerate(tokens)}
    glyphs = lambda s: "".join(alpha[b] for b in s.encode())  # noqa: E731
    size = len(tokens)
    logits = np.full((size, size), -14.0, dtype=np.float32)
    counts: dict[int, collections.Counter] = collections.defaultdict(collections.Counter)
    end, starts = index["<|im_end|>"], []
    for line in CORPUS.strip().splitlines():
        ids = []
        for n, w in enumerate(line.split()):
            ids.append(index.get(glyphs(w if n == 0 or not w.isalpha() else " " + w), index["<unk>"]))
        starts.append(ids[0])
        for a, b in itertools.pairwise(ids):
            counts[a][b] += 1
        counts[ids[-1]][end] += 1
    newline = index[glyphs("\n")]
    for s in starts:
        counts[newline][s] += 1
    for a, row in counts.items():
        total = sum(row.values())
        for b, n in row.items():
            logits[a, b] = 4.0 + np.log(n / total)
    # Anything else: prefer to close what a grammar opened, then letters, then stop.
    rest = [i for i in range(size) if i not in counts]
    for ch, v in {'"': 3.0, "}": 3.2, "]": 3.0, ",": 1.0, ":": 1.5, " ": 0.5}.items():
        logits[rest, index[glyphs(ch)]] = v
        logits[list(counts), index[glyphs(ch)]] = np.maximum(logits[list(counts), index[glyphs(ch)]], v - 6)
    for ch in "abcdefghijklmnopqrstuvwxyz0123456789":
        logits[rest, index[ch]] = 0.5
    logits[rest, end] = 2.5
    logits[:, [index[t] for t in ("<unk>", "<s>", "<|im_start|>")]] = -30.0
    return logits


def make(path: str, context: int = 8192) -> None:
    import gguf
    import numpy as np

    tokens, merges = vocabulary()
    size = len(tokens)
    width = (size + 31) // 32 * 32
    logits = transition_logits(tokens)
    embed = np.zeros((size, width), dtype=np.float32)
    embed[np.arange(size), np.arange(size)] = 1.0
    out = np.zeros((size, width), dtype=np.float32)
    out[:, :size] = logits.T / np.sqrt(width)  # RMSNorm turns a one-hot row into sqrt(width) * one-hot
    ff, heads = 64, width // 32

    w = gguf.GGUFWriter(path, "llama")
    w.add_name("markov-choir")
    w.add_description("hand-weighted Markov chain for protocol tests; not a language model")
    w.add_license("CC0-1.0")
    w.add_context_length(context)
    w.add_embedding_length(width)
    w.add_block_count(1)
    w.add_feed_forward_length(ff)
    w.add_head_count(heads)
    w.add_head_count_kv(heads)
    w.add_rope_dimension_count(32)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_vocab_size(size)
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([3 if t in SPECIAL[1:] else 2 if t == "<unk>" else 1 for t in tokens])
    w.add_token_merges(merges)
    w.add_unk_token_id(0)
    w.add_bos_token_id(1)
    w.add_eos_token_id(tokens.index("<|im_end|>"))
    w.add_eot_token_id(tokens.index("<|im_end|>"))
    w.add_add_bos_token(False)
    w.add_chat_template(TEMPLATE)
    zeros = lambda *s: np.zeros(s, dtype=np.float32)  # noqa: E731
    ones = np.ones(width, dtype=np.float32)
    w.add_tensor("token_embd.weight", embed)
    w.add_tensor("output_norm.weight", ones)
    w.add_tensor("output.weight", out)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        w.add_tensor(f"blk.0.{name}.weight", zeros(width, width))
    w.add_tensor("blk.0.attn_norm.weight", ones)
    w.add_tensor("blk.0.ffn_norm.weight", ones)
    w.add_tensor("blk.0.ffn_gate.weight", zeros(ff, width))
    w.add_tensor("blk.0.ffn_up.weight", zeros(ff, width))
    w.add_tensor("blk.0.ffn_down.weight", zeros(width, ff))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB, {size} tokens")


def serve(path: str, host: str, port: int, chat_format: str, embedding: bool) -> None:
    args = [
        sys.executable,
        "-m",
        "llama_cpp.server",
        "--model",
        path,
        "--model_alias",
        "markov-choir",
        "--host",
        host,
        "--port",
        str(port),
        "--n_ctx",
        "4096",
        "--n_threads",
        "1",
        "--chat_format",
        chat_format,
    ]
    # One llama context can give either full-position logits (logprobs) or embeddings, not both.
    args += ["--embedding", "true"] if embedding else ["--logits_all", "true"]
    os.execv(sys.executable, args)


def check(base: str) -> int:
    def post(path, body, stream=False):
        req = urllib.request.Request(base + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(req, timeout=120) as r:
                return r.read().decode() if stream else json.loads(r.read())
        except urllib.error.HTTPError as e:
            raise SystemExit(f"{path}: {e.code} {e.read()[:400]!r}") from None

    msgs = [{"role": "user", "content": "hello"}]
    url, failures = "/v1/chat/completions", 0

    def report(name, ok, seen):
        nonlocal failures
        failures += not ok
        print(("ok   " if ok else "FAIL ") + name, "|", str(seen)[:150])

    r = post(url, {"model": "markov-choir", "messages": msgs, "max_tokens": 60, "seed": 3})
    report("plain", r["choices"][0]["finish_reason"] == "stop", r["choices"][0]["message"]["content"])
    report("usage", r["usage"]["total_tokens"] > 0, r["usage"])
    r = post(url, {"model": "markov-choir", "messages": msgs, "max_tokens": 3})
    report("length", r["choices"][0]["finish_reason"] == "length", r["choices"][0])
    s = post(url, {"model": "markov-choir", "messages": msgs, "max_tokens": 20, "stream": True}, stream=True)
    report("stream", s.strip().endswith("data: [DONE]"), f"{s.count('data: ')} events")
    r = post(url, {"model": "markov-choir", "messages": msgs, "max_tokens": 5, "logprobs": True, "top_logprobs": 2})
    lp = (r["choices"][0].get("logprobs") or {}).get("content") or []
    report("logprobs", len(lp) == 5, lp[:1])
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}, "warm": {"type": "boolean"}},
        "required": ["city", "warm"],
        "additionalProperties": False,
    }
    r = post(
        url,
        {
            "model": "markov-choir",
            "messages": msgs,
            "max_tokens": 200,
            "response_format": {"type": "json_object", "schema": schema},
        },
    )
    text = r["choices"][0]["message"]["content"]
    try:
        ok = set(json.loads(text)) == {"city", "warm"}
    except ValueError:
        ok = False
    report("json_schema", ok, text)
    tool = {"type": "function", "function": {"name": "get_weather", "description": "weather", "parameters": schema}}
    body = {
        "model": "markov-choir",
        "messages": msgs,
        "tools": [tool],
        "max_tokens": 200,
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    }
    r = post(url, body)
    calls = r["choices"][0]["message"].get("tool_calls") or []
    report("forced tool", bool(calls) and "warm" in calls[0]["function"]["arguments"], calls)
    s = post(url, body | {"stream": True}, stream=True)
    report("forced tool, streamed", "tool_calls" in s, f"{s.count('data: ')} events")
    return failures


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="cmd", required=True)
    m = sub.add_parser("make")
    m.add_argument("path")
    s = sub.add_parser("serve")
    s.add_argument("path")
    s.add_argument("--host", default="127.0.0.1")
    s.add_argument("--port", type=int, default=18080)
    s.add_argument("--chat-format", default="chatml-function-calling")
    s.add_argument("--embedding", action="store_true", help="serve /v1/embeddings instead of logprobs")
    c = sub.add_parser("check")
    c.add_argument("base", nargs="?", default="http://127.0.0.1:18080")
    a = p.parse_args()
    if a.cmd == "make":
        make(a.path)
    elif a.cmd == "serve":
        serve(a.path, a.host, a.port, a.chat_format, a.embedding)
    else:
        return 1 if check(a.base) else 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
