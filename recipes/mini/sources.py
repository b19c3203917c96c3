#!/usr/bin/env python3
"""Brings the files of the training data, each in a form of its own, into JSON Lines for `poro data`. Nothing is judged
here: only layout goes (hard line ends of books, gaps before commas in tokenised text, markup of dictionaries).

Usage: recipes/mini/sources.py DATA OUT [SHARE], where DATA is laid out as its SOURCES.md says and SHARE (a number from 0
to 1) takes the beginning of every source, for a quick test. Needs zstd. Writes to OUT:

  texts-fi.jsonl      running text in Finnish: books, web pages, Wikipedia, manuals
  sentences-fi.jsonl  Finnish sentences out of their context: ministers' answers, treebanks, news
  translated-fi.jsonl machine-translated Finnish: fluent enough to learn the language's forms from, never to translate by
  texts-en.jsonl      English: documentation, and the passages and answers of the instruction sets
  instructions.jsonl  conversations in both languages
  preferences.jsonl   a prompt, the better and the worse answer
  answers.jsonl       short questions with answers of any length, for conversations/formats.py to put a form on
"""

import csv
import io
import itertools
import json
import pathlib
import re
import subprocess
import sys

CHARACTERS_PER_TEXT = 3000
LONGEST_QUESTION, LONGEST_ANSWER = 700, 500
LONGEST_PREFERENCE = 1200
LONGEST_FORMED_QUESTION, LONGEST_FORMED_ANSWER = 160, 1600
PAIRS_OF_STRINGS, LONGEST_HELP = 4000, 160


class Sources:
    def __init__(self, data, share):
        self.data, self.share = data, share

    def text(self, name):
        path = self.data / name
        if path.suffix == ".zst":
            content = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout.decode("utf-8")
        else:
            content = path.read_text(encoding="utf-8")
        if self.share < 1:
            content = content[:content.find("\n", int(len(content) * self.share))]  # Whole lines
        return content

    def lines(self, name):
        return (line for line in self.text(name).split("\n") if line.strip())

    def rows(self, name):
        return map(json.loads, self.lines(name))

    def books(self, name):
        """A share of the books, not of the file: a book is one long line."""
        rows = [json.loads(line) for line in Sources(self.data, 1).lines(name)]
        return rows[:max(1, int(len(rows) * self.share))]


def pieces(paragraphs, separator="\n\n"):
    """Paragraphs run together into texts of about CHARACTERS_PER_TEXT."""
    held, size = [], 0
    for paragraph in paragraphs:
        if paragraph := paragraph.strip():
            held.append(paragraph)
            size += len(paragraph)
        if size >= CHARACTERS_PER_TEXT:
            yield separator.join(held)
            held, size = [], 0
    if held:
        yield separator.join(held)


def joined_up(text):
    """Tokenised text as people write it: no gap before a comma or inside brackets and quotes."""
    text = re.sub(r" ([,.;:!?)\]%”])", r"\1", text)
    text = re.sub(r"([(\[]) ", r"\1", text)
    return re.sub(r'(^|\s)" ([^"]*?) "', r'\1"\2"', text)


def book_paragraphs(text):
    text = text.replace("\r", "")
    text = re.split(r"\n(?:End of (?:the )?Project Gutenberg|\*\*\* END)", text)[0]
    for paragraph in text.split("\n\n"):
        if paragraph.startswith(("Produced by", "[Illustration")):
            continue
        lines = paragraph.split("\n")
        # Verse and tables are indented and keep their lines.
        indented = sum(line.startswith("  ") for line in lines)
        yield "\n".join(map(str.strip, lines)) if indented > len(lines) // 2 else " ".join(map(str.strip, lines))


def texts_fi(sources):
    for book in sources.books("text_fi/gutenberg_fi_books.jsonl.zst"):
        for text in pieces(book_paragraphs(book["text"])):
            yield {"text": text.replace("_", ""), "source": "books", "document": book["title"]}
    for line in sources.lines("text_fi/fincore_dev_test.tsv.zst"):
        page = joined_up(line.split("\t", 1)[1])
        for text in pieces(re.split(r"(?<=[.!?]) ", page), " "):
            yield {"text": text, "source": "web", "document": page[:60]}
    for name in ("train", "validation"):
        for row in sources.rows(f"text_fi/wikipedia-fi-{name}-sample.jsonl"):
            for text in pieces(row["text"].split("\n\n")):
                yield {"text": text, "source": "wikipedia", "document": row["title"]}
    for i, text in enumerate(pieces(sources.lines("text_fi/debian_docs_fi.txt.zst"), "\n")):
        yield {"text": text, "source": "manuals", "document": f"manuals-{i // 8}"}


def sentences_fi(sources):
    answers = csv.reader(io.StringIO(sources.text("text_fi/eduskunta_vkk_sentences.csv.zst")))
    next(answers)
    for row in answers:
        yield {"text": joined_up(row[0]), "source": "ministers"}
    for line in sources.lines("text_fi/ud_sentences_fi.tsv.zst"):
        yield {"text": line.split("\t", 1)[1], "source": "treebanks"}
    for line in sources.lines("text_fi/turku_ner_train_tokenised.txt.zst"):
        if line != "-DOCSTART-":
            yield {"text": joined_up(line), "source": "news"}


def translated_fi(sources):
    for row in sources.rows("text_fi/squad2_fi.jsonl.zst"):
        yield {"text": row["text"], "source": "squad"}
    # Neighbours come from one page and say nearly the same: every third is enough.
    for row in itertools.islice(sources.rows("text_fi/nq_fi.jsonl.zst"), 0, None, 3):
        yield {"text": row["text"].replace("``", '"').replace("''", '"'), "source": "nq"}
    for row in sources.rows("instruct/oasst1_train_en_fi.jsonl.zst"):
        yield {"text": row["fi"], "source": "oasst"}
    for row in sources.rows("instruct/dolly15k_en_fi.jsonl.zst"):
        for name in ("context", "response"):
            yield {"text": row["fi"][name], "source": "dolly"}


def texts_en(sources):
    def plain(line):  # Links, and the fields of dictionary entries.
        return re.sub(r"^<[^<>]*> ", "", re.sub(r"\{([^{}]*)\}", r"\1", line))

    lines = map(plain, sources.lines("text_en/debian_docs_en_prose.txt.zst"))
    for i, text in enumerate(pieces(lines, "\n")):
        yield {"text": text, "source": "documentation", "document": f"documentation-{i // 8}"}
    for row in sources.rows("instruct/oasst1_train_en_fi.jsonl.zst"):
        yield {"text": row["en"], "source": "oasst"}
    for row in sources.rows("instruct/dolly15k_en_fi.jsonl.zst"):
        for name in ("context", "response"):
            yield {"text": re.sub(r"\[\d+\]", "", row["en"][name]), "source": "dolly"}


def turn(role, content):
    return {"role": role, "content": content}


def asked(part):
    return part["instruction"] + ("\n\n" + part["context"] if part.get("context") else "")


def tree_conversations(rows, language):
    """Every way down a tree that takes the best answer, with as many turns as it has."""
    children = {}
    for row in rows:
        children.setdefault(row["parent_id"], []).append(row)

    def down(row, turns):
        turns = turns + [turn("user" if row["role"] == "prompter" else "assistant", row[language])]
        below = children.get(row["message_id"], [])
        if row["role"] == "prompter":
            below = sorted(below, key=lambda child: child["rank"] if child["rank"] is not None else 99)[:1]
        if not below and len(turns) > 1:
            yield turns if row["role"] == "assistant" else turns[:-1]
        for child in below:
            yield from down(child, turns)

    for root in children.get(None, []):
        yield from down(root, [])


def conversations(sources):
    for row in sources.rows("instruct/dolly15k_en_fi.jsonl.zst"):
        for language in ("fi", "en"):
            part = row[language]
            if len(asked(part)) <= LONGEST_QUESTION and 0 < len(part["response"]) <= LONGEST_ANSWER:
                yield {"messages": [turn("user", asked(part)), turn("assistant", part["response"])],
                       "lang": language, "source": "dolly", "document": f"dolly-{row['id']}"}
    trees = list(sources.rows("instruct/oasst1_validation_tree_en_fi.jsonl.zst"))
    for language in ("fi", "en"):
        for turns in tree_conversations(trees, language):
            if all(len(message["content"]) <= 2 * LONGEST_ANSWER for message in turns) and len(turns) <= 6:
                yield {"messages": turns, "lang": language, "source": "oasst", "document": turns[0]["content"][:60]}
    yield from translations(sources)


def translations(sources):
    """Human translations only: help paragraphs and interface strings."""
    ask = {"fi": ("Käännä suomeksi: {}", "Mitä tämä on suomeksi? {}", "Käännä englannista suomeksi: {}"),
           "en": ("Translate into English: {}", "What is this in English? {}", "Translate from Finnish into English: {}")}
    pairs = [(row["en"], row["fi"], "help") for row in sources.rows("parallel/libreoffice_help_en_fi.jsonl.zst")]
    pairs = [pair for pair in pairs if max(map(len, pair[:2])) <= LONGEST_HELP][::3]
    strings = [(row["en"].replace("_", ""), row["fi"].replace("_", ""), "interface")
               for row in sources.rows("parallel/debian_ui_strings_en_fi.jsonl.zst")]
    strings = [pair for pair in strings if all(re.fullmatch(r"[\w ,'’.?!-]{4,60}", text) for text in pair[:2])]
    pairs += strings[::max(1, len(strings) // PAIRS_OF_STRINGS)]
    for i, (english, finnish, source) in enumerate(pairs):
        if english == finnish:
            continue
        language = ("fi", "en")[i % 2]
        question, answer = (english, finnish) if language == "fi" else (finnish, english)
        yield {"messages": [turn("user", ask[language][i // 2 % 3].format(question)), turn("assistant", answer)],
               "lang": language, "source": source}


def preferences(sources):
    """Human ranks; and, of the aligned answers, the one in the prompt's language over the one that is not."""
    for row in sources.rows("preference/oasst1_val_pref_en_fi.jsonl.zst"):
        size = sum(len(message["content"]) for message in row["prompt"])
        if size + max(len(row["chosen"]), len(row["rejected"])) <= 2 * LONGEST_PREFERENCE:
            yield {"prompt": row["prompt"], "chosen": row["chosen"], "rejected": row["rejected"], "lang": row["lang"],
                   "source": "oasst", "document": row["prompt"][0]["content"][:60]}
    for i, row in enumerate(sources.rows("instruct/dolly15k_en_fi.jsonl.zst")):
        language, other = ("fi", "en") if i % 2 else ("en", "fi")
        part = row[language]
        if i % 10 > 1 or len(asked(part)) > LONGEST_QUESTION or len(part["response"]) not in range(20, LONGEST_ANSWER):
            continue
        yield {"prompt": [turn("user", asked(part))], "chosen": part["response"], "rejected": row[other]["response"],
               "lang": language, "source": "dolly-language", "document": f"dolly-{row['id']}"}


def answers(sources):
    for row in sources.rows("instruct/dolly15k_en_fi.jsonl.zst"):
        for language in ("fi", "en"):
            part = row[language]
            if not part["context"] and len(part["instruction"]) <= LONGEST_FORMED_QUESTION and len(part["response"]) <= LONGEST_FORMED_ANSWER:
                yield {"request": " ".join(part["instruction"].split()), "answer": part["response"].strip(), "lang": language, "document": f"dolly-{row['id']}"}


def main():
    data, out = map(pathlib.Path, sys.argv[1:3])
    sources = Sources(data, float(sys.argv[3]) if len(sys.argv) > 3 else 1)
    out.mkdir(parents=True, exist_ok=True)
    for name, rows, language in (("texts-fi", texts_fi, "fi"), ("sentences-fi", sentences_fi, "fi"),
                                 ("translated-fi", translated_fi, "fi"), ("texts-en", texts_en, "en"),
                                 ("instructions", conversations, None), ("preferences", preferences, None),
                                 ("answers", answers, None)):
        with (out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows(sources):
                if language:
                    row["lang"] = language
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
