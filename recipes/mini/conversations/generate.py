#!/usr/bin/env python3
"""Our own conversations and preferences, from the lists beside this file: many ways to ask, some ways to answer, in Finnish
and English, with turns that lean on turns before. Forms that Finnish inflects stand in the lists, none is made by rule.

Usage: recipes/mini/conversations/generate.py OUT [SHARE]. Writes OUT/written.jsonl ({"messages"}) and
OUT/written-preferences.jsonl ({"prompt", "chosen", "rejected"}); the same bytes every time. No question is one of
recipes/mini/prompts-*.jsonl.
"""

import json
import pathlib
import sys

from arithmetic import sums
from knowledge import animals, capitals, definitions, lists, places_and_jobs, sequences
from talk import questions_and_facts, remembered, unknown_people
from topic_talk import told_topics
from words import translations
from writing import HERE, LANGUAGES, Writer

PARTS = (questions_and_facts, remembered, unknown_people, capitals, sums, translations, definitions, animals, places_and_jobs, sequences, lists, told_topics)


def main():
    out = pathlib.Path(sys.argv[1])
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 1
    out.mkdir(parents=True, exist_ok=True)
    w = Writer([HERE.parent / f"prompts-{language}.jsonl" for language in LANGUAGES])
    for part in PARTS:
        before = len(w.rows), len(w.pairs)
        part(w)
        print(f"{part.__name__}: {len(w.rows) - before[0]} conversations, {len(w.pairs) - before[1]} pairs", file=sys.stderr)
    print(f"{w.left_out} left out, whose question is a held-out prompt", file=sys.stderr)
    for name, rows in (("written", w.rows), ("written-preferences", w.pairs)):
        w.random.shuffle(rows)
        with (out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows[:max(100, int(len(rows) * share))]:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
