#!/usr/bin/env python3
"""Writes the data of recipes/tiny-*.toml: sums of small numbers said in Finnish and English, as texts, conversations and
preferences. The same bytes every time. Usage: tools/make_tiny_data.py recipes/tiny"""

import json
import pathlib
import random
import sys

FINNISH = ("nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen yksitoista kaksitoista "
           "kolmetoista neljätoista viisitoista kuusitoista seitsemäntoista kahdeksantoista").split()
ENGLISH = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
           "seventeen eighteen").split()


def question(language, a, b):
    return f"Paljonko on {FINNISH[a]} plus {FINNISH[b]}?" if language == "fi" else f"What is {ENGLISH[a]} plus {ENGLISH[b]}?"


def answer(language, a, b, total):
    if language == "fi":
        return f"{FINNISH[a].capitalize()} plus {FINNISH[b]} on {FINNISH[total]}."
    return f"{ENGLISH[a].capitalize()} plus {ENGLISH[b]} is {ENGLISH[total]}."


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    cases = [(language, a, b) for language in ("fi", "en") for a in range(10) for b in range(10)]
    random.Random(1).shuffle(cases)
    held_out, training = cases[:20], cases[20:]
    for name, part in (("", training), ("-held-out", held_out)):
        texts, conversations, preferences = [], [], []
        for language, a, b in part:
            asked, right = question(language, a, b), answer(language, a, b, a + b)
            wrong = answer(language, a, b, (a + b + 1 + (3 * a + b) % 7) % 19)
            prompt = [{"role": "user", "content": asked}]
            texts.append({"text": f"{asked} {right}", "lang": language})
            conversations.append({"messages": prompt + [{"role": "assistant", "content": right}], "lang": language})
            preferences.append({"prompt": prompt, "chosen": right, "rejected": wrong, "lang": language})
        for kind, rows in (("texts", texts), ("conversations", conversations), ("preferences", preferences)):
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{kind}{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
