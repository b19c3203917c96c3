#!/usr/bin/env python3
"""Writes the data of recipes/small-*.toml from files named in docs/training.md: Finnish and English texts, instructions and
preferences, with every fiftieth row held out. Usage: tools/make_small_data.py DATA OUT, where DATA holds text_fi/, text_en/,
instruct/ and preference/. Needs zstd."""

import json
import pathlib
import subprocess
import sys

CHARACTERS_PER_TEXT, TEXTS_PER_LANGUAGE, HELD_OUT_EVERY = 2000, 4000, 50


def lines_of(path):
    if path.suffix != ".zst":
        yield from path.open(encoding="utf-8")
        return
    with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        yield from process.stdout


def pieces(paragraphs):
    """Paragraphs run together into texts of about CHARACTERS_PER_TEXT."""
    text = ""
    for paragraph in paragraphs:
        text += paragraph.strip() + "\n\n"
        if len(text) >= CHARACTERS_PER_TEXT:
            yield text.strip()
            text = ""


def finnish(data):
    for line in lines_of(data / "text_fi/gutenberg_fi_books.jsonl.zst"):
        book = json.loads(line)["text"].replace("\r", "")
        yield from pieces(part.replace("\n", " ") for part in book.split("\n\n") if part.strip())


def english(data):
    yield from pieces(line for line in lines_of(data / "text_en/debian_docs_en_prose.txt.zst") if line.strip())


def every(source, count, stride):
    """`count` rows, `stride` apart, so that they come from all over the source."""
    for i, row in enumerate(source):
        if i % stride == 0:
            yield row
            count -= 1
            if count == 0:
                return


def conversations(data):
    for line in lines_of(data / "instruct/dolly15k_en_fi.jsonl.zst"):
        row = json.loads(line)
        for language in ("fi", "en"):
            part = row[language]
            question = part["instruction"] + ("\n\n" + part["context"] if part.get("context") else "")
            if len(question) + len(part["response"]) < 600:
                yield {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": part["response"]}],
                       "lang": language}


def preferences(data):
    for line in lines_of(data / "preference/oasst1_val_pref_en_fi.jsonl.zst"):
        row = json.loads(line)
        yield {key: row[key] for key in ("prompt", "chosen", "rejected", "lang")}


def write(out, name, rows):
    with (out / f"{name}.jsonl").open("w", encoding="utf-8") as training, \
            (out / f"{name}-held-out.jsonl").open("w", encoding="utf-8") as held_out:
        for i, row in enumerate(rows):
            (held_out if i % HELD_OUT_EVERY == 0 else training).write(json.dumps(row, ensure_ascii=False) + "\n")


def main():
    data, out = map(pathlib.Path, sys.argv[1:3])
    out.mkdir(parents=True, exist_ok=True)
    for name, source, stride, language in (("finnish", finnish(data), 2, "fi"), ("english", english(data), 6, "en")):
        write(out, name, ({"text": text, "lang": language} for text in every(source, TEXTS_PER_LANGUAGE, stride)))
    write(out, "conversations", every(conversations(data), 6000, 1))
    write(out, "preferences", preferences(data))
    with (out / "tokenizer.txt").open("w", encoding="utf-8") as text:
        for name in ("finnish", "english"):
            for line in (out / f"{name}.jsonl").open(encoding="utf-8"):
                text.write(json.loads(line)["text"] + "\n")


if __name__ == "__main__":
    main()
