#!/usr/bin/env python3
"""Makes src/catalogue/facts/table.txt: what is known of models whose providers don't tell it themselves.

The source is the price map of LiteLLM, one exact version of it, from PyPI; its licence and notice stand in THIRD-PARTY.md.
Figures that the map lacks stand below, with where they are from. `make model-table` runs this; the result is committed.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

VERSION = "1.109.1"
MEMBER = "litellm/model_prices_and_context_window_backup.json"
SHA256 = "8f8060d8ce7a40c91b995c74d6a27657543d49e3c1c53430dabd556f244392c6"
TABLE = Path(__file__).resolve().parent.parent / "src" / "catalogue" / "facts" / "table.txt"

HEADING = f"""\
# What is known of models, for lists that don't tell. Made by scripts/model_table.py; don't edit.
# From LiteLLM {VERSION}, MIT licence, Copyright (c) 2023 Berri AI (see THIRD-PARTY.md), and what scripts/model_table.py adds where that has nothing.
# provider:id, window, most input, most output, length of a vector, capabilities; a tab between them, `-` for unknown.
# Under `*` are names as catalogue/facts/family.rs shortens them: what holds wherever such a model is hosted.
"""

# Our prefix and the names under which the source has the provider.
PROVIDERS = {
    "anthropic": ["anthropic"],
    "cerebras": ["cerebras"],
    "cohere": ["cohere", "cohere_chat"],
    "deepseek": ["deepseek"],
    "google": ["gemini"],
    "groq": ["groq"],
    "minimax": ["minimax"],
    "mistral": ["mistral"],
    "moonshot": ["moonshot"],
    "openai": ["openai", "text-completion-openai"],
    "qwen": ["dashscope"],
    "xai": ["xai"],
    "zai": ["zai"],
}

# The source has the most input of these; their window is that and the most output together (so OpenAI describes GPT-5).
WINDOWS = {("openai", 272_000): 400_000, ("openai", 922_000): 1_050_000}

# What the source lacks: window, most output, length of a vector, capabilities. Put down by hand, as the
# providers describe their models; an operator's own words go before them.
MORE = {
    "codestral:codestral-2508": (256_000, None, None, "tools"),
    "codestral:codestral-latest": (256_000, None, None, "tools"),
    "cohere:command-a-reasoning-08-2025": (256_000, 32_000, None, "tools thinking"),
    "cohere:command-a-vision-07-2025": (128_000, 8_000, None, "no-tools vision"),
    "cohere:embed-english-light-v3.0": (512, None, 384, "embedding"),
    "cohere:embed-english-v3.0": (512, None, 1_024, "embedding"),
    "cohere:embed-multilingual-light-v3.0": (512, None, 384, "embedding"),
    "cohere:embed-multilingual-v3.0": (512, None, 1_024, "embedding"),
    "mistral:codestral-2508": (256_000, None, None, "tools"),
    "mistral:codestral-embed": (8_192, None, 1_536, "embedding"),
    "mistral:codestral-latest": (256_000, None, None, "tools"),
    "mistral:mistral-embed": (8_192, None, 1_024, "embedding"),
    "qwen:text-embedding-v3": (8_192, None, 1_024, "embedding"),
    "qwen:text-embedding-v4": (8_192, None, 1_024, "embedding"),
}

# The same of open models, as their makers describe them: hosts leave much out.
SHARED_MORE = {
    **{f"qwen3-{size}": "tools thinking" for size in ["0.6b", "1.7b", "4b", "8b", "14b", "32b", "30b-a3b", "235b-a22b"]},
    **{f"qwen3thinking-{size}": "tools thinking" for size in ["4b", "30b-a3b", "235b-a22b"]},
    **{f"qwen3instruct-{size}": "tools" for size in ["4b", "30b-a3b", "235b-a22b"]},
    **{f"qwen3vlthinking-{size}": "tools vision thinking" for size in ["4b", "8b", "30b-a3b", "32b", "235b-a22b"]},
    **{f"gemma3-{size}": "tools vision" for size in ["4b", "12b", "27b"]},
    **{f"deepseekr1distillqwen-{size}": "thinking" for size in ["1.5b", "7b", "14b", "32b"]},
    **{f"deepseekr1distillllama-{size}": "thinking" for size in ["8b", "70b"]},
    "deepseekr1": "tools thinking",
    "gemma2-9b": "completion",
    "gemma3-1b": "completion",
    "glm4.5": "tools thinking",
    "glm4.5air": "tools thinking",
    "glm4.5v": "tools vision thinking",
    "llama4maverick": "tools vision",
    "llama4maverick-17b-128e": "tools vision",
    "llama4scout": "tools vision",
    "llama4scout-17b-16e": "tools vision",
    "mistralsmall3.1-24b": "tools vision",
    "mistralsmall3.2-24b": "tools vision",
    "qwen2vl-72b": "vision",
    "qwen3vlinstruct-8b": "tools vision",
    "qwq-32b": "tools thinking",
}

# Vectors of open models, by hand as well.
SHARED_VECTORS = {
    "bgem3": 1_024,
    "nomicembed1.5": 768,
    "nomicembedtext": 768,
    "qwen3embedding-0.6b": 1_024,
    "qwen3embedding-4b": 2_560,
    "qwen3embedding-8b": 4_096,
}

# Called thinking by the source, though their names say otherwise (a chat, coding or plain variant beside a thinking one), and some refuse
# to be asked for it.
NOT_THINKING = re.compile(r"(openai:|\*:)gpt.*chat|(qwen:|\*:)qwen.*coder|qwen:qwen-max$|\*:qwenmax$|(mistral:|\*:)devstral")


class Row(NamedTuple):
    """What the table tells of a model, in its columns' order."""

    window: int | None = None
    most_in: int | None = None
    most_out: int | None = None
    vector: int | None = None
    words: str = ""


MODES = {"chat", "completion", "responses", "embedding"}
FLAGS = {"tools": "supports_function_calling", "vision": "supports_vision", "thinking": "supports_reasoning"}


def source() -> dict:
    """The map, from the package of that version. A path on the command line takes the place of a download."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = next(iter(sys.argv[1:]), None)
        if wheel is None:
            options = ["--no-deps", "--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.12"]
            pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "-d", folder]
            subprocess.run([*pip, *options, f"litellm=={VERSION}"], check=True)
            wheel = next(Path(folder).glob("*.whl"))
        text = zipfile.ZipFile(wheel).read(MEMBER)
    if hashlib.sha256(text).hexdigest() != SHA256:
        sys.exit(f"{MEMBER} is not the file that this script was written for")
    rows = json.loads(text)
    del rows["sample_spec"]
    return {name: row for name, row in rows.items() if row.get("mode") in MODES}


def capabilities(row: dict) -> list[str]:
    """In words. What the source leaves out is unknown, but a legacy completion model calls no functions."""
    if row["mode"] == "embedding":
        return ["embedding"]
    words = [word for word, flag in FLAGS.items() if row.get(flag)]
    if row.get(FLAGS["tools"]) is False or (row["mode"] == "completion" and "tools" not in words):
        words.insert(0, "no-tools")
    return words


def own_rows(rows: dict) -> dict[str, Row]:
    """Each provider's own models, under its own ids."""
    found = {}
    for prefix, names in PROVIDERS.items():
        for id, row in rows.items():
            # A fine-tuned model is looked up by its base.
            if row["litellm_provider"] not in names or id.startswith("ft:"):
                continue
            start = next((f"{name}/" for name in names if id.startswith(f"{name}/")), "")
            most_in, most_out = number(row, "max_input_tokens"), number(row, "max_output_tokens")
            words = capabilities(row)
            if not (words or most_in):
                continue
            window = WINDOWS.get((prefix, most_in), most_in)
            # An answer as long as the window is what the source says when it doesn't know.
            most_out = most_out if most_out and (window or 0) > most_out else None
            most_in = most_in if most_in != window else None
            vector = number(row, "output_vector_size")
            found[f"{prefix}:{id.removeprefix(start)}"] = Row(window, most_in, most_out, vector, " ".join(words))
    for name, (window, most_out, vector, words) in MORE.items():
        found[name] = Row(window, None, most_out, vector, words)
    return {name.lower(): row for name, row in found.items()}


def number(row: dict, key: str) -> int | None:
    value = row.get(key)
    return int(value) if isinstance(value, (int, float)) and value > 0 else None


# How names are shortened; src/catalogue/facts/family.rs does the same.
NAMES = re.compile(r"[-_:@ ]")
PLAIN = set("it hf versatile free cloud maas tee latest meta nvidia fp4 fp8 fp16 bf16 int4 int8 nvfp4 awq gptq gguf mlx".split())
# Plain too where a size names the model; elsewhere they make another of it: `gpt-4` and `gpt-4-turbo`.
PLAIN_BESIDE_SIZE = set("turbo fast chat text base preview".split())
SIZE = re.compile(r"[ae]?\d+(\.\d+)?(x\d+)?[bmte]")


def shortened(id: str, plain: set[str]) -> str | None:
    """A name without maker, dates and plain words: the rest as one, then its sizes. `Meta-Llama-3-3-70B-Instruct`: `llama3.3-70b`."""
    base = id.lower().rsplit("/", 1)[-1]
    words = undated([re.sub(r"(?<=\d)p(?=\d)", ".", re.sub(r"^v(?=\d)", "", word)) for word in NAMES.split(base) if word])
    sizes = [word for word in words if SIZE.fullmatch(word)]
    plain = PLAIN | plain | (PLAIN_BESIDE_SIZE if sizes else set())
    name = ""
    for word in words:
        if not (word in sizes or word in plain):
            name += "." + word if name[-1:].isdigit() and word[0].isdigit() else word
    return "-".join([name, *sizes]) if name else None


def undated(words: list[str]) -> list[str]:
    """Without `2025-04-14`, `09-2025`, `20250414`, `0414`, `001`."""
    kept, at = [], 0
    while at < len(words):
        rest = "-".join(words[at : at + 3])
        if date := re.match(r"20\d\d-\d\d-\d\d$|\d\d-20\d\d(?![^-])|(\d{8}|\d{6}|\d{4}|00\d)(?![^-])", rest):
            at += date.group().count("-") + 1
        else:
            kept.append(words[at])
            at += 1
    return kept


# Who makes the models whose names begin so: their word counts alone.
MAKERS = {
    "anthropic": "claude",
    "cohere": "command|embed",
    "deepseek": "deepseek",
    "gemini": "gemini|gemma",
    "minimax": "minimax",
    "mistral": "mistral|ministral|codestral|magistral|devstral|pixtral|voxtral",
    "moonshot": "kimi|moonshot",
    "openai": r"gpt|o\d|textembedding|chatgpt",
    "xai": "grok",
    "zai": "glm",
}


def company(row: dict) -> str:
    """The host; several names of the source are one company's."""
    return re.split(r"[-_]", row["litellm_provider"])[0]


def shared_rows(rows: dict) -> dict[str, Row]:
    """What holds of a model wherever it is hosted."""
    rows = {id: row for id, row in rows.items() if not re.match(r"ft:|[a-z0-9]+\.[a-z]", id.rsplit("/", 1)[-1])}
    found = hosted(rows, {"instruct"})
    # An `instruct` that differs from its siblings has a row of its own.
    apart = {id: row for id, row in rows.items() if "instruct" in id.lower()}
    found |= {name: words for name, words in hosted(apart, set()).items() if found.get(name.replace("instruct", "", 1)) != words}
    found |= SHARED_MORE | dict.fromkeys(SHARED_VECTORS, "embedding")
    sizes = defaultdict(list)
    for name, words in found.items():
        if "-" in name:
            sizes[name.split("-")[0]].append(words.split())
    for family, all_words in sizes.items():
        common = [word for word in all_words[0] if all(word in words for words in all_words)]
        if len(all_words) > 1 and common:
            found.setdefault(family, " ".join(common))
    lengths = vectors(rows) | SHARED_VECTORS
    return {f"*:{name}": Row(vector=lengths.get(name), words=words) for name, words in found.items()}


def vectors(rows: dict) -> dict[str, int]:
    """How long a model's vectors are, where all hosts that tell it agree."""
    told = defaultdict(set)
    for id, row in rows.items():
        if length := number(row, "output_vector_size"):
            told[shortened(id, {"instruct"})].add(length)
    return {name: lengths.pop() for name, lengths in told.items() if name and len(lengths) == 1}


def hosted(rows: dict, plain: set[str]) -> dict[str, str]:
    """Models that two companies host at the least, and what can be said of each."""
    hosts = defaultdict(lambda: defaultdict(list))
    for id, row in rows.items():
        if name := shortened(id, plain):
            hosts[name][company(row)].append(capabilities(row))
    found = {}
    for name, by_company in hosts.items():
        maker = next((maker for maker, names in MAKERS.items() if re.match(names, name)), None)
        said = by_company.get(maker) or [words for host in by_company.values() for words in host[:3]]
        # A word that isn't a name says nothing.
        if len(by_company) > 1 and name != "chat" and (words := agreed(said)):
            found[name] = " ".join(words)
    return found


def agreed(hosts: list[list[str]]) -> list[str]:
    """Flags are left out more often than set by mistake: two fifths suffice, for tools a quarter."""
    def share(word: str) -> float:
        return sum(word in words for words in hosts) / len(hosts)

    if share("embedding") > 0.5:
        return ["embedding"]
    words = [word for word in FLAGS if share(word) >= (0.25 if word == "tools" else 0.4)]
    return words if "tools" in words or share("no-tools") <= 0.5 else ["no-tools", *words]


def main() -> None:
    rows = source()
    table = {**own_rows(rows), **shared_rows(rows)}
    for name, row in table.items():
        if NOT_THINKING.match(name):
            table[name] = row._replace(words=row.words.replace("thinking", "").strip())
    lines = ["\t".join([name, *("-" if cell in (None, "") else str(cell) for cell in cells)]) for name, cells in table.items()]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(HEADING + "\n".join(sorted(lines)) + "\n")
    print(f"{len(lines)} rows, {TABLE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
