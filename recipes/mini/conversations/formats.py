#!/usr/bin/env python3
"""Conversations that ask for a form: so many sentences, bullets, a title, no commas, an end, and up to three at once. What is
told comes from our topics and from the answers that sources.py collected; the form is put on it here, in words of formats-en.txt
and formats-fi.txt. `poro eval ifeval` then checks every answer, and only those that follow stay. No prompt of a benchmark is used.

Usage: recipes/mini/conversations/formats.py OUT [SHARE], after sources.py has filled OUT. Writes OUT/formats.jsonl ({"messages"}) and
OUT/formats-preferences.jsonl, such requests with the form kept and with the form broken. PORO is the program.
"""

import json
import os
import pathlib
import random
import re
import subprocess
import sys

from form_parts import KINDS, Answer, phrases
from topic_talk import PLAIN, topics
from writing import HERE, LANGUAGES, OTHER, normal, table

CONVERSATIONS = {"en": 15000, "fi": 9000}
MOST_SENTENCES = 14
PAIRS = {"en": 1300, "fi": 700}
GENRES = {"en": ("Write a blog post about {0}.", "Write a short essay about {0}.", "Write a poem about {0}.", "Write a letter to a friend about {0}.", "Write an email to my boss about {0}.",
                 "Write a story about {0}.", "Write a song about {0}.", "Write a funny text about {0}.", "Explain {0} to a child.", "Write a summary about {0}.", "Write a short speech about {0}.",
                 "Can you write an article about {0}?", "Could you write a text about {0} for teenagers?", "I need a description of {0}.", "Give me a paragraph about {0}.", "Write a riddle about {0}.",
                 "Write a tweet about {0}.", "Write a rap about {0}.", "Help me write a presentation about {0}.", "Compose a limerick about {0}.", "Write a product description about {0}.",
                 "Create an advertisement about {0}.", "Write a dialogue about {0}.", "Write a review of {0}.", "Write an itinerary about {0}.", "What are the pros and cons of {0}?", "Write a proposal about {0}."),
          "fi": ("Kirjoita blogikirjoitus {0}.", "Kirjoita lyhyt essee {0}.", "Kirjoita runo {0}.", "Kirjoita ystävälle kirje {0}.", "Kirjoita pomolle sähköposti {0}.", "Kirjoita tarina {0}.", "Kirjoita laulu {0}.",
                 "Kirjoita hauska teksti {0}.", "Kerro lapselle {0}.", "Kirjoita tiivistelmä {0}.", "Kirjoita lyhyt puhe {0}.", "Voitko kirjoittaa artikkelin {0}?", "Kirjoita kappale {0}.", "Tarvitsen tekstin {0}.",
                 "Keksi arvoitus {0}.", "Kirjoita esitelmä {0}.")}
# What can only be so, not so, or unknown.
CERTAIN = {"en": (("Is snow cold?", "yes"), ("Can a fish swim?", "yes"), ("Is fire cold?", "no"), ("Do cows lay eggs?", "no"), ("Is the sun hot?", "yes"), ("Can a stone think?", "no"), ("Will it rain next week?", "maybe"),
                  ("Will I win a prize this year?", "maybe"), ("Is ice made of water?", "yes"), ("Is a carrot a vegetable?", "yes"), ("Is a dog a plant?", "no"), ("Can people fly without machines?", "no"),
                  ("Will my team win the next game?", "maybe"), ("Is my neighbour at home now?", "maybe"), ("Does a week have seven days?", "yes"), ("Does a year have ten months?", "no"), ("Should I take an umbrella tomorrow?", "maybe"),
                  ("Is Helsinki the capital of Finland?", "yes"), ("Is Stockholm the capital of Finland?", "no"), ("Do you think that my friend likes tea?", "maybe"), ("Are you a computer program?", "yes"), ("Are you a human being?", "no"),
                  ("Is the moon made of cheese?", "no"), ("Is the moon smaller than the sun?", "yes"), ("Will prices go up next year?", "maybe"), ("Will the bus be late today?", "maybe")),
           "fi": (("Onko lumi kylmää?", "kyllä"), ("Osaako kala uida?", "kyllä"), ("Onko tuli kylmää?", "ei"), ("Munivatko lehmät?", "ei"), ("Onko aurinko kuuma?", "kyllä"), ("Osaako kivi ajatella?", "ei"), ("Sataako ensi viikolla?", "ehkä"),
                  ("Voitanko tänä vuonna palkinnon?", "ehkä"), ("Onko jää vettä?", "kyllä"), ("Onko porkkana vihannes?", "kyllä"), ("Onko koira kasvi?", "ei"), ("Voittaako joukkueeni ensi pelin?", "ehkä"), ("Onko naapurini nyt kotona?", "ehkä"),
                  ("Onko viikossa seitsemän päivää?", "kyllä"), ("Onko vuodessa kymmenen kuukautta?", "ei"), ("Onko Helsinki Suomen pääkaupunki?", "kyllä"), ("Onko Tukholma Suomen pääkaupunki?", "ei"), ("Oletko tietokoneohjelma?", "kyllä"),
                  ("Oletko ihminen?", "ei"), ("Onko kuu juustoa?", "ei"), ("Nousevatko hinnat ensi vuonna?", "ehkä"), ("Onko bussi tänään myöhässä?", "ehkä"))}


def sentences_of(text):
    """The sentences of a plain answer, or None of one that is a list, code or no sentence at all."""
    if re.search(r"\n\s*(?:[-*•]|\d+[.)])", text):
        return None
    text = " ".join(text.split())
    if re.search(r"[\n*#<>\[\]{}|_=/\"]|\d\.\s", text) or not re.fullmatch(r"[A-ZÅÄÖ].*[.!?]", text):
        return None
    found = re.split(r"(?<=[.!?]) (?=[A-ZÅÄÖ])", text)
    return found if all(len(sentence) > 8 for sentence in found) else None


def told(out):
    """Per language: {"request", "sentences", "other"}, where other is what the other language says."""
    found = {language: {} for language in LANGUAGES}
    for row in map(json.loads, (out / "answers.jsonl").open(encoding="utf-8")):
        sentences = sentences_of(row["answer"])
        if sentences and len(row["request"]) > 8 and row["request"][-1] in ".?!":
            found[row["lang"]][row["document"]] = {"request": row["request"], "sentences": sentences[:MOST_SENTENCES], "document": row["document"]}
    for language in LANGUAGES:
        for document, row in found[language].items():
            row["other"] = found[OTHER[language]].get(document, {}).get("sentences")
    return {language: list(rows.values()) for language, rows in found.items()}


def from_topics(r, language, known):
    topic = r.choice(known)
    names, sentences = topic[language], [sentence[language] for sentence in topic["sentences"]]
    if r.random() < 0.2:  # Two topics in one request
        second = r.choice([other for other in known if other is not topic])
        names = [f"{a} {'ja' if language == 'fi' else 'and'} {b}" for a, b in zip(names, second[language])]
        sentences = sentences + [sentence[language] for sentence in second["sentences"]]
        topic = None
    request = r.choice(GENRES[language] if r.random() < 0.75 else PLAIN[language]).format(*names)
    if len(sentences) < 6 and r.random() < 0.5:
        sentences = sentences[:1] + sorted(r.sample(sentences[1:], r.randint(1, len(sentences) - 1)), key=sentences.index)
    return {"request": request, "sentences": sentences, "other": topic and [sentence[OTHER[language]] for sentence in topic["sentences"]]}


def certain(r, language):
    if r.random() < 0.5:
        return r.choice(CERTAIN[language])
    rows = table("countries.tsv")
    (_, of_it, in_it, capital, country, city, *_), other = r.choice(rows), r.choice(rows)
    if r.random() < 0.5:
        other = None
    if language == "fi":
        return (f"Onko {other[3]} {of_it} pääkaupunki?", "kyllä" if other[3] == capital else "ei") if other else (f"Onko {capital} {in_it}?", "kyllä")
    return (f"Is {other[5]} the capital of {country}?", "yes" if other[5] == city else "no") if other else (f"Is {city} in {country}?", "yes")


def conversation(r, language, known, told_rows, elsewhere):
    """One request with its answer, and what is to be checked; None where the parts do not fit together."""
    if r.random() < 0.02:
        question, verdict = certain(r, language)
        answer = {"en": f"My answer is {verdict}.", "fi": f"Vastaukseni on {verdict}."}[language]
        return {"prompt": f"{question} {phrases(language, 'constrained', r)}", "response": answer, "plain": "", "document": question, "checks": [("detectable_format:constrained_response", {})]}
    base = from_topics(r, language, known) if r.random() < 0.45 else r.choice(told_rows)
    answer = Answer(language, base, elsewhere, r)
    kinds = []
    for _ in range(r.choices((0, 1, 2, 3), (6, 52, 32, 10))[0]):
        slots = {KINDS[kind]["slot"] for kind in kinds}
        fitting = [kind for kind in KINDS if KINDS[kind]["slot"] not in slots and not slots & set(KINDS[kind].get("not_with", ()))
                   and not any(KINDS[kind]["slot"] in KINDS[other].get("not_with", ()) for other in kinds)]
        kinds.append(r.choices(fitting, [KINDS[kind]["weight"] for kind in fitting])[0])
    # The body first, then words, then the frame, then the letters.
    asked = []
    for kind in sorted(kinds, key=lambda kind: KINDS[kind]["order"]):
        values = KINDS[kind]["make"](answer)
        if values is None:
            return None
        arguments, shown = values
        asked.append((kind, arguments, phrases(language, kind, r).format(**shown)))
    r.shuffle(asked)
    asked.sort(key=lambda part: part[0] == "repeat")
    text = base["request"]
    for kind, arguments, phrase in asked:
        if kind == "repeat":
            answer.repeated = text
            arguments["prompt_to_repeat"] = text
            text += r.choice(("\n\n", "\n", " ")) + phrase
        elif "\n" not in phrase and len(asked) == 1 and r.random() < 0.12:
            text = f"{phrase} {text}"
        else:
            text += r.choice((" ", " ", " ", "\n")) + phrase
    return {"prompt": text, "response": answer.text(), "plain": " ".join(base["sentences"]), "document": base.get("document", base["request"]), "checks": [(KINDS[kind]["id"], arguments) for kind, arguments, _ in asked]}


def followed(rows, language, key, work):
    """The rows whose text under `key` follows all that was asked, by the program's own checkers."""
    data, answers, verdicts = (work / f"formats-{language}-{name}" for name in ("prompts.jsonl", "answers.jsonl", "verdicts"))
    with data.open("w", encoding="utf-8") as prompts, answers.open("w", encoding="utf-8") as responses:
        for i, row in enumerate(rows):
            prompts.write(json.dumps({"key": i, "prompt": row["prompt"], "instruction_id_list": [name for name, _ in row["checks"]], "kwargs": [arguments for _, arguments in row["checks"]]}, ensure_ascii=False) + "\n")
            responses.write(json.dumps({"prompt": row["prompt"], "response": row[key]}, ensure_ascii=False) + "\n")
    subprocess.run(["rm", "-rf", verdicts], check=True)
    subprocess.run([os.environ.get("PORO", "build/release/poro"), "eval", "ifeval", "--data", data, "--lang", language, "--responses", answers, "--out", verdicts], check=True, stdout=subprocess.DEVNULL)
    with (verdicts / "strict.jsonl").open(encoding="utf-8") as file:
        good = {verdict["prompt"] for verdict in map(json.loads, file) if verdict["follow_all_instructions"]}
    return [row for row in rows if row["prompt"] in good]


def main():
    out = pathlib.Path(sys.argv[1])
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 1
    held_out = {normal(message["content"]) for language in LANGUAGES for line in (HERE.parent / f"prompts-{language}.jsonl").open(encoding="utf-8") for message in json.loads(line)["messages"]}
    r, known, base = random.Random(20251207), topics(), told(out)
    conversations, pairs = [], []
    for language in LANGUAGES:
        rows, seen = [], set(held_out)
        elsewhere = [sentence for row in base[language] for sentence in row["sentences"] if 3 <= len(sentence.split()) <= 9]
        while len(rows) < max(60, int(CONVERSATIONS[language] * share)):
            row = conversation(r, language, known, base[language], elsewhere)
            if row and normal(row["prompt"]) not in seen:
                seen.add(normal(row["prompt"]))
                rows.append(row)
        asked = [row for row in rows if row["checks"]]
        good = followed(asked, language, "response", out)
        broken = {row["prompt"] for row in asked} - {row["prompt"] for row in followed([row for row in good if row["plain"]], language, "plain", out)}
        print(f"formats, {language}: {len(asked)} written, {len(good)} follow what they ask for", file=sys.stderr)
        for row in good + [row for row in rows if not row["checks"]]:
            conversations.append({"messages": [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["response"]}], "lang": language, "source": "formats", "document": row["document"]})
        worse = [row for row in good if row["plain"] and row["prompt"] in broken and len(row["prompt"] + row["response"]) < 1200]
        for row in worse[:max(10, int(PAIRS[language] * share))]:
            pairs.append({"prompt": [{"role": "user", "content": row["prompt"]}], "chosen": row["response"], "rejected": row["plain"], "lang": language, "source": "formats", "document": row["document"]})
    r.shuffle(conversations)
    r.shuffle(pairs)
    for name, rows in (("formats", conversations), ("formats-preferences", pairs)):
        with (out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
