#!/usr/bin/env python3
"""The text a tokenizer is trained on, to standard output: about as much Finnish as English..
Usage: recipes/mini/tokenizer_text.py OUT, the folder that recipes/mini/make-data fills."""

import json
import pathlib
import subprocess
import sys

# Characters of each part: the tokenizer sees the two languages as often, native Finnish before translated.
PARTS = (("pretrain/native-fi", 16e6), ("pretrain/sentences-fi", 6e6), ("pretrain/translated-fi", 6e6),
         ("pretrain/english", 20e6), ("steps/prose", 4e6))


def main():
    out = pathlib.Path(sys.argv[1])
    for name, characters in PARTS:
        lines = subprocess.run(["zstd", "-dcq", out / f"{name}.jsonl.zst"], stdout=subprocess.PIPE, check=True).stdout
        rows = [json.loads(line) for line in lines.decode("utf-8").split("\n") if line]
        texts = [row["text"] if "text" in row else "\n".join(message["content"] for message in row["messages"]) for row in rows]
        # Evenly from all over the part.
        share = min(1.0, characters / max(1, sum(map(len, texts))))
        for i, text in enumerate(texts):
            if int((i + 1) * share) > int(i * share):
                sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
