#!/usr/bin/env python3
"""Writes small tokenizer.json files, and what the tokenizers library makes of texts with them.

  make_tokenizers.py OUT_DIR [--seed N]

Each OUT_DIR/<name>.json is {"tokenizer": a tokenizer.json, "cases": [{"text", "ids"}]}. Exits with 77 where
the library is missing.
"""

import argparse
import json
import pathlib
import random
import sys

try:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

WORDS = (
    "the a of and it's don't we'll they've I'm he'd you're hello Hello WORLD naïve l'été München Straße "
    "привет мир Москва 日本語 漢字 한국어 नमस्ते שלום 😀 👩‍👩‍👧 1234 42 ½ ٣٤ Ⅷ x² -- ... !? (a) [b] {c} #tag @me 3.14 "
    "1,000 http://x.y/z?q=1 foo_bar CamelCase aaaaaaaaaaaa 'quoted' \"double\" <|end|> <|endoftext|> <|endoftext|>> "
    "e\u0301 \u200b \ufeff \U0001f1e9\U0001f1ea"
).split()
SPACES = [" ", " ", " ", " ", "", "  ", "   ", "\n", "\n\n", "\t", " \n ", "\u00a0", "\u2003", "\u3000", "\x85", "\r\n", "\u180e"]
ODD = ["", " ", "\n", "'", "'s", " 's", "s'S", "a" * 300, " " * 40, "\n" * 7 + "x", "\u00a0\u00a0x", "\0\x01\x7f", "<|", "<|end"]


def random_text(draw):
    return "".join(draw.choice(WORDS) + draw.choice(SPACES) for _ in range(draw.randint(1, 12)))


def trained(draw, size, prefix_space=False, added=("<|endoftext|>",)):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(added),
        show_progress=False,
    )
    tokenizer.train_from_iterator([random_text(draw) for _ in range(400)], trainer)
    return tokenizer


def with_ignored_merges(tokenizer):
    """The same vocabulary, half of its merges: a piece that is a token is found all the same."""
    document = json.loads(tokenizer.to_str())
    document["model"]["ignore_merges"] = True
    document["model"]["merges"] = document["model"]["merges"][::2]
    return Tokenizer.from_str(json.dumps(document))


def write(path, tokenizer, draw):
    texts = ODD + [random_text(draw) for _ in range(150)]
    cases = [
        {"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in texts
    ]
    document = {"tokenizer": json.loads(tokenizer.to_str()), "cases": cases}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("},{", "},\n{")
    path.write_text(text + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    plain = trained(draw, 500)
    write(arguments.out / "plain.json", plain, draw)
    prefixed = trained(draw, 400, prefix_space=True, added=("<|end|>", "<|endoftext|>", "<|endoftext|>>"))
    prefixed.add_tokens([AddedToken("été", normalized=False)])
    write(arguments.out / "prefixed.json", prefixed, draw)
    write(arguments.out / "ignored_merges.json", with_ignored_merges(plain), draw)


if __name__ == "__main__":
    main()
