#!/usr/bin/env python3
"""Our own conversations and preferences, from the lists beside this file: many ways to ask, some ways to answer, in Finnish
and English, with turns that lean on turns before. Forms that Finnish inflects stand in the lists, none is made by rule.

Usage: recipes/mini/conversations/generate.py OUT [SHARE]. Writes OUT/written.jsonl ({"messages"}) and
OUT/written-preferences.jsonl ({"prompt", "chosen", "rejected"}); the same bytes every time.
"""

import json
import pathlib
import random
import sys

HERE = pathlib.Path(__file__).parent
NUMBERS = {
    "fi": "nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen yksitoista kaksitoista kolmetoista "
          "neljätoista viisitoista kuusitoista seitsemäntoista kahdeksantoista yhdeksäntoista kaksikymmentä".split(),
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
          "eighteen nineteen twenty".split()}
NAMES = {"fi": "Anna Matti Liisa Pekka Sari Ville Aino Eero Kaisa Jukka Helmi Oskari Emma Juho Tiina Antti".split(),
         "en": "Anna Tom Mary Peter Emma Jack Lucy David Sarah Ben Alice Sam Nina Oliver Grace Leo".split()}
# Finnish towns in the inessive or adessive, and English as they are.
TOWNS = {"fi": "Helsingissä Turussa Tampereella Oulussa Kuopiossa Lahdessa Porissa Vaasassa Rovaniemellä Joensuussa".split(),
         "en": "Helsinki Turku Tampere Oulu Kuopio London Dublin Boston Leeds Glasgow".split()}


def table(name):
    with (HERE / name).open(encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("# ")]


def question_blocks(name):
    questions, answers = [], []
    for line in (HERE / name).read_text(encoding="utf-8").splitlines() + [""]:
        if line.startswith("? "):
            questions.append(line[2:])
        elif line.startswith("= "):
            answers.append(line[2:].replace("\\n", "\n"))
        elif not line.strip() and questions:
            yield questions, answers
            questions, answers = [], []


def topics():
    found = []
    for line in (HERE / "topics.txt").read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("# "):
            finnish, english = line[2:].split(" | ")
            found.append({"fi": finnish, "en": english, "sentences": []})
        elif line.strip():
            found[-1]["sentences"].append(dict(zip(("fi", "en"), line.split(" | "))))
    return found


def lower_first(text):
    return text[:1].lower() + text[1:]


def upper_first(text):
    return text[:1].upper() + text[1:]


class Writer:
    """Collects conversations; `random` is the only source of choice."""

    def __init__(self):
        self.random = random.Random(20251206)
        self.rows, self.pairs = [], []

    def add(self, language, *turns):
        messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]
        self.rows.append({"messages": messages, "lang": language, "source": "written"})

    def prefer(self, language, question, chosen, rejected):
        if chosen != rejected:
            self.pairs.append({"prompt": [{"role": "user", "content": question}], "chosen": chosen, "rejected": rejected,
                               "lang": language, "source": "written"})

    def pick(self, *choices):
        return self.random.choice(choices)

    def varied(self, language, question):
        """The question as people also type it."""
        roll = self.random.random()
        if roll < 0.55:
            return question
        if roll < 0.70:
            return question.lower()
        if roll < 0.82:
            return question.rstrip("?!.").lower()
        if roll < 0.90 and question.endswith("?"):
            return {"fi": "Kerro, ", "en": "Can you tell me: "}[language] + lower_first(question).replace("?", "." if language == "fi" else "?") \
                if question.split()[0] not in ("Voitko", "Can", "May") else question
        return {"fi": self.pick("Hei! ", "Moi, ", "Hei, yksi kysymys: "), "en": self.pick("Hi! ", "Hello, ", "Quick question: ")}[language] + question


def simple_questions(w):
    blocks = {}
    for language in ("fi", "en"):
        blocks[language] = list(question_blocks(f"qa-{language}.txt"))
        for questions, answers in blocks[language]:
            # Every question with every answer once as it stands, and some more in other dress.
            for question in questions:
                for answer in answers:
                    w.add(language, question, answer)
                for _ in range(3):
                    w.add(language, w.varied(language, question), w.pick(*answers))
        # Two or three questions in a row.
        for _ in range(1200):
            turns = []
            for questions, answers in w.random.sample(blocks[language], w.pick(2, 2, 3)):
                turns += [w.varied(language, w.pick(*questions)), w.pick(*answers)]
            w.add(language, *turns)
    # The language of the last question decides.
    for _ in range(700):
        first, second = w.pick(("fi", "en"), ("en", "fi"))
        turns = []
        for language in (first, second):
            questions, answers = w.pick(*blocks[language])
            turns += [w.pick(*questions), w.pick(*answers)]
        w.add(second, *turns)
    # Answers in the other language, to another question, and answers that do not end.
    for language, other in (("fi", "en"), ("en", "fi")):
        for questions, answers in blocks[language]:
            question, chosen = w.pick(*questions), w.pick(*answers)
            w.prefer(language, question, chosen, w.pick(*w.pick(*blocks[other])[1]))
            w.prefer(language, w.varied(language, question), chosen, w.pick(*w.pick(*blocks[language])[1]))
            w.prefer(language, question, chosen, " ".join([chosen] * 4))


def capitals(w):
    rows = table("countries.tsv")
    for name, of_it, in_it, capital, country, city in rows:
        for question in (f"Mikä on {of_it} pääkaupunki?", f"Mikä kaupunki on {of_it} pääkaupunki?", f"{upper_first(of_it)} pääkaupunki?"):
            w.add("fi", w.varied("fi", question), w.pick(f"{of_it} pääkaupunki on {capital}.", f"{capital} on {of_it} pääkaupunki.", f"{capital}."))
            w.add("fi", question, f"{of_it} pääkaupunki on {capital}.")
        for question in (f"What is the capital of {country}?", f"Which city is the capital of {country}?", f"Capital of {country}?"):
            w.add("en", w.varied("en", question), w.pick(f"The capital of {country} is {city}.", f"{city} is the capital of {country}.", f"{city}."))
            w.add("en", question, f"The capital of {country} is {city}.")
        w.add("fi", w.varied("fi", f"Minkä maan pääkaupunki on {capital}?"), f"{capital} on {of_it} pääkaupunki.")
        w.add("en", w.varied("en", f"Which country has {city} as its capital?"), f"{city} is the capital of {country}.")
        w.add("fi", w.varied("fi", f"Missä maassa on {capital}?"), f"{capital} on {in_it}.")
        w.add("en", w.varied("en", f"In which country is {city}?"), f"{city} is in {country}.")
        w.add("fi", f"Onko {capital} {of_it} pääkaupunki?", f"On, {capital} on {of_it} pääkaupunki.")
        w.add("en", f"Is {city} the capital of {country}?", f"Yes, {city} is the capital of {country}.")
        other = w.pick(*[row for row in rows if row[0] != name])
        w.add("fi", f"Onko {other[3]} {of_it} pääkaupunki?", f"Ei ole. {of_it} pääkaupunki on {capital}.")
        w.add("en", f"Is {other[5]} the capital of {country}?", f"No. The capital of {country} is {city}.")
        w.add("fi", f"Mikä on {of_it} pääkaupunki?", f"{of_it} pääkaupunki on {capital}.", w.pick(f"Entä {other[1]}?", f"Entäs {other[1]}?"),
              f"{other[1]} pääkaupunki on {other[3]}.")
        w.add("en", f"What is the capital of {country}?", f"The capital of {country} is {city}.",
              w.pick(f"And of {other[4]}?", f"What about {other[4]}?"), f"The capital of {other[4]} is {other[5]}.")
        w.prefer("fi", f"Mikä on {of_it} pääkaupunki?", f"{of_it} pääkaupunki on {capital}.", f"{of_it} pääkaupunki on {other[3]}.")
        w.prefer("en", f"What is the capital of {country}?", f"The capital of {country} is {city}.", f"The capital of {country} is {other[5]}.")
        w.prefer("fi", f"Mikä on {of_it} pääkaupunki?", f"{of_it} pääkaupunki on {capital}.", f"The capital of {country} is {city}.")


def sums(w):
    operations = [("+", "plus", "plus", lambda a, b: a + b), ("-", "miinus", "minus", lambda a, b: a - b),
                  ("*", "kertaa", "times", lambda a, b: a * b)]
    asked = {"fi": ("Paljonko on {}?", "Mitä on {}?", "Laske {}.", "{}", "Paljonko {} on?", "Osaatko laskea, paljonko on {}?"),
             "en": ("What is {}?", "How much is {}?", "Calculate {}.", "{}", "Can you tell me what {} is?", "{} = ?")}
    for sign, finnish, english, result in operations:
        for a in range(0, 21):
            for b in range(0, 21):
                if sign == "-" and b > a or sign == "*" and (a > 10 or b > 10) or w.random.random() < 0.25:
                    continue
                value = result(a, b)
                language = w.pick("fi", "en")
                word = {"fi": finnish, "en": english}[language]
                question = w.pick(*asked[language])
                sum_text = f"{a} {w.pick(sign, sign, word) if sign != '*' else w.pick('*', 'x', word)} {b}"
                answer = w.pick(f"{a} {sign} {b} = {value}.", f"{value}.", {"fi": f"Vastaus on {value}.", "en": f"The answer is {value}."}[language])
                w.add(language, question.format(sum_text), answer)
                if a < 20 and b < 20 and 0 <= value <= 20 and w.random.random() < 0.5:
                    n = NUMBERS[language]
                    is_word = {"fi": "on", "en": "is"}[language]
                    w.add(language, w.pick(*asked[language][:2]).format(f"{n[a]} {word} {n[b]}"), upper_first(f"{n[a]} {word} {n[b]} {is_word} {n[value]}."))
                if w.random.random() < 0.15:
                    wrong = value + w.pick(-2, -1, 1, 2, 10)
                    w.prefer(language, question.format(sum_text), f"{a} {sign} {b} = {value}.", f"{a} {sign} {b} = {wrong}.")
                if w.random.random() < 0.1 and sign == "+":
                    c = w.random.randint(1, 9)
                    follow = {"fi": f"Entä jos lisätään vielä {c}?", "en": f"And if you add {c} more?"}[language]
                    w.add(language, question.format(sum_text), f"{a} + {b} = {value}.", follow, f"{value} + {c} = {value + c}.")
    for a in range(2, 11):
        for b in range(2, 11):
            w.add("fi", w.pick(f"Paljonko on {a * b} / {b}?", f"Laske {a * b} / {b}."), f"{a * b} / {b} = {a}.")
            w.add("en", f"What is {a * b} divided by {b}?", f"{a * b} divided by {b} is {a}.")
    for n in range(1, 51):
        w.add("fi", f"Mikä luku tulee luvun {n} jälkeen?", f"Luvun {n} jälkeen tulee {n + 1}.")
        w.add("en", f"Which number comes after {n}?", f"{n + 1} comes after {n}.")
        w.add("en", f"What is double {n}?", f"Double {n} is {2 * n}.")
        w.add("fi", f"Paljonko on kaksi kertaa {n}?", f"Kaksi kertaa {n} on {2 * n}.")
        m = w.random.randint(1, 60)
        if m != n:
            w.add("fi", f"Kumpi on suurempi, {n} vai {m}?", f"{max(n, m)} on suurempi kuin {min(n, m)}.")
            w.add("en", f"Which is bigger, {n} or {m}?", f"{max(n, m)} is bigger than {min(n, m)}.")
        w.add("fi", f"Onko {n} parillinen?", f"On, {n} on parillinen." if n % 2 == 0 else f"Ei, {n} on pariton.")
        w.add("en", f"Is {n} even or odd?", f"{n} is {'even' if n % 2 == 0 else 'odd'}.")
    # "up to ten": the Finnish illative.
    illative = {3: "kolmeen", 5: "viiteen", 6: "kuuteen", 7: "seitsemään", 8: "kahdeksaan", 9: "yhdeksään", 10: "kymmeneen"}
    for n, form in illative.items():
        for question in (f"Laske {form}.", f"Laske yhdestä {form}.", f"Osaatko laskea {form}?"):
            w.add("fi", question, upper_first(", ".join(NUMBERS["fi"][1:n + 1])) + ".")
        for question in (f"Count to {NUMBERS['en'][n]}.", f"Count from one to {NUMBERS['en'][n]}.", f"Can you count to {n}?"):
            w.add("en", question, upper_first(", ".join(NUMBERS["en"][1:n + 1])) + ".")


def translations(w):
    words = table("words.tsv")
    for english, finnish, *forms in words:
        plain = english.removeprefix("to ")
        for question in (f"Mitä on {finnish} englanniksi?", f"Mitä \"{finnish}\" on englanniksi?", f"Käännä englanniksi: {finnish}",
                         f"Miten sanotaan englanniksi {finnish}?", f"Mikä on {finnish} englanniksi?"):
            w.add("fi", w.pick(question, w.varied("fi", question)), w.pick(f"{upper_first(finnish)} on englanniksi {english}.", f"{upper_first(english)}.", f"Englanniksi se on \"{english}\"."))
        for question in (f"What is {plain} in Finnish?", f"What is \"{plain}\" in Finnish?", f"Translate into Finnish: {plain}",
                         f"How do you say {plain} in Finnish?", f"How do I say \"{plain}\" in Finnish?"):
            w.add("en", w.pick(question, w.varied("en", question)), w.pick(f"{upper_first(plain)} is {finnish} in Finnish.", f"{upper_first(finnish)}.", f"In Finnish it is \"{finnish}\"."))
        w.add("fi", w.pick(f"Mitä on {plain} suomeksi?", f"Käännä suomeksi: {plain}", f"Mitä tarkoittaa {plain}?"),
              w.pick(f"{upper_first(plain)} on suomeksi {finnish}.", f"{upper_first(finnish)}."))
        w.add("en", w.pick(f"What does {finnish} mean?", f"What is {finnish} in English?", f"Translate into English: {finnish}"),
              w.pick(f"{upper_first(finnish)} means {plain}.", f"{upper_first(plain)}."))
        other = w.pick(*words)
        w.add("fi", f"Mitä on {finnish} englanniksi?", f"{upper_first(finnish)} on englanniksi {english}.", f"Entä {other[1]}?",
              f"{upper_first(other[1])} on englanniksi {other[0]}.")
        w.add("en", f"What is {plain} in Finnish?", f"{upper_first(plain)} is {finnish} in Finnish.", f"And {other[0].removeprefix('to ')}?",
              f"{upper_first(other[0].removeprefix('to '))} is {other[1]} in Finnish.")
        w.prefer("fi", f"Mitä on {finnish} englanniksi?", f"{upper_first(finnish)} on englanniksi {english}.", f"{upper_first(finnish)} on englanniksi {other[0]}.")
        w.prefer("en", f"What is {plain} in Finnish?", f"{upper_first(plain)} is {finnish} in Finnish.", f"{upper_first(plain)} is {other[1]} in Finnish.")
        if forms:
            genitive, partitive, plural = forms
            w.add("fi", w.pick(f"Mikä on sanan {finnish} monikko?", f"Mikä on sanan \"{finnish}\" monikkomuoto?"), w.pick(f"Sanan {finnish} monikko on {plural}.", f"{upper_first(plural)}."))
            w.add("fi", f"Mikä on sanan {finnish} genetiivi?", f"Sanan {finnish} genetiivi on {genitive}.")
            w.add("fi", f"Mikä on sanan {finnish} partitiivi?", f"Sanan {finnish} partitiivi on {partitive}.")
        spelling = "-".join(finnish)
        if " " not in finnish:
            w.add("fi", w.pick(f"Tavaa sana {finnish}.", f"Miten kirjoitetaan {finnish}?"), f"{spelling}")
            w.add("fi", f"Montako kirjainta on sanassa {finnish}?", f"Sanassa {finnish} on {NUMBERS['fi'][len(finnish)]} kirjainta." if len(finnish) > 1 else "Yksi.")
            w.add("fi", f"Millä kirjaimella sana {finnish} alkaa?", f"Sana {finnish} alkaa kirjaimella {finnish[0]}.")
            w.add("fi", w.pick(f"Kirjoita sana {finnish} isoilla kirjaimilla.", f"Kirjoita isoilla kirjaimilla: {finnish}"), finnish.upper())
            w.add("fi", w.pick(f"Sano {finnish} kolme kertaa.", f"Toista sana {finnish} kolme kertaa."), f"{upper_first(finnish)}, {finnish}, {finnish}.")
        if " " not in plain:
            w.add("en", w.pick(f"Spell the word {plain}.", f"How do you spell {plain}?"), "-".join(plain))
            w.add("en", f"How many letters are in the word {plain}?", f"The word {plain} has {NUMBERS['en'][len(plain)]} letters.")
            w.add("en", f"Which letter does {plain} start with?", f"{upper_first(plain)} starts with the letter {plain[0]}.")
            w.add("en", w.pick(f"Write the word {plain} in capital letters.", f"Write in capitals: {plain}"), plain.upper())
            w.add("en", w.pick(f"Say {plain} three times.", f"Repeat the word {plain} three times."), f"{upper_first(plain)}, {plain}, {plain}.")
    for english, finnish in table("phrases.tsv"):
        for question in (f"Käännä englanniksi: {finnish}", f"Miten sanotaan englanniksi \"{finnish}\"", f"Mitä on \"{finnish}\" englanniksi?",
                         f"Käännä suomesta englanniksi: {finnish}"):
            w.add("fi", question, w.pick(english, english, f"Englanniksi: {english}"))
        for question in (f"Translate into Finnish: {english}", f"How do you say \"{english}\" in Finnish?", f"What is \"{english}\" in Finnish?",
                         f"Translate from English into Finnish: {english}"):
            w.add("en", question, w.pick(finnish, finnish, f"In Finnish: {finnish}"))
        w.add("fi", f"Käännä suomeksi: {english}", finnish)
        w.add("en", f"Translate into English: {finnish}", english)
        w.add("en", f"What does \"{finnish}\" mean?", w.pick(f"It means \"{english}\"", english))
        w.prefer("fi", f"Käännä englanniksi: {finnish}", english, finnish)
        w.prefer("en", f"Translate into Finnish: {english}", finnish, english)
    for first, second, english, opposite in table("opposites.tsv"):
        for a, b, c, d in ((first, second, english, opposite), (second, first, opposite, english)):
            for question in (f"Mikä on sanan {a} vastakohta?", f"Mikä on \"{a}\" vastakohta?", f"Sanan {a} vastakohta?"):
                w.add("fi", question, w.pick(f"Sanan {a} vastakohta on {b}.", f"{upper_first(b)}."))
            for question in (f"What is the opposite of {c}?", f"What's the opposite of \"{c}\"?", f"Opposite of {c}?"):
                w.add("en", question, w.pick(f"The opposite of {c} is {d}.", f"{upper_first(d)}."))


def definitions(w):
    rows = table("definitions.tsv")
    for word, sentence, term, meaning in rows:
        plural = sentence.split()[1] == "ovat"
        for question in ((f"Mitä ovat {word}?", f"Mitä {word} ovat?", f"Selitä sana {word}.", f"Mitä tarkoittaa {word}?") if plural else
                         (f"Mikä on {word}?", f"Mikä {word} on?", f"Mitä tarkoittaa {word}?", f"Mitä {word} tarkoittaa?", f"Selitä sana {word}.",
                          f"Selitä, mikä {word} on.", f"Kerro, mikä on {word}.")):
            w.add("fi", w.pick(question, w.varied("fi", question)), sentence)
        be = "are" if meaning.split()[1:2] == ["northern"] or " are " in meaning[:len(term) + 6] else "is"
        for question in (f"What {be} {term}?", f"What does {term.removeprefix('a ').removeprefix('an ')} mean?", f"Explain what {term} {be}.",
                         f"Tell me what {term} {be}.", f"Define {term}."):
            w.add("en", w.pick(question, w.varied("en", question)), meaning)
        other = w.pick(*rows)
        w.add("fi", f"Mitä tarkoittaa {word}?", sentence, f"Entä {other[0]}?", other[1])
        w.add("en", f"What {be} {term}?", meaning, f"And {other[2]}?", other[3])
        w.add("en", f"What {be} {term}?", meaning, w.pick("And in Finnish?", "Say it in Finnish."), sentence)
        w.add("fi", f"Mitä tarkoittaa {word}?", sentence, w.pick("Sano sama englanniksi.", "Entä englanniksi?"), meaning)
        w.add("fi", f"Mitä tarkoittaa {word}?", sentence, w.pick("Kiitos!", "Kiitos, ymmärsin.", "Selvä."), w.pick("Ole hyvä!", "Hyvä! Kysy lisää, jos haluat."))
        w.add("en", f"What {be} {term}?", meaning, w.pick("Thanks!", "Thank you, I see.", "Okay."), w.pick("You are welcome!", "Good! Ask more if you like."))
        w.prefer("fi", f"Mitä tarkoittaa {word}?", sentence, meaning)
        w.prefer("en", f"What {be} {term}?", meaning, sentence)
        w.prefer("fi", f"Mitä tarkoittaa {word}?", sentence, other[1])
        w.prefer("en", f"What {be} {term}?", meaning, " ".join([meaning] * 3))


def listed(language, things):
    return ", ".join(things[:-1]) + {"fi": " ja ", "en": " and "}[language] + things[-1]


def lists(w):
    for partitive, plural, english, finnish_things, english_things in table("lists.tsv"):
        things = {"fi": finnish_things.split(","), "en": english_things.split(",")}
        for _ in range(14):
            n = w.random.randint(2, min(5, len(things["fi"])))
            number = w.pick(NUMBERS["fi"][n], str(n))
            chosen = w.random.sample(things["fi"], n)
            question = w.pick(f"Luettele {number} {partitive}.", f"Nimeä {number} {partitive}.", f"Kerro {number} {partitive}.", f"Anna {number} esimerkkiä: {plural}.")
            w.add("fi", question, upper_first(listed("fi", chosen)) + ".")
            w.add("fi", f"Luettele {number} {partitive} luettelona.", "\n".join(f"- {upper_first(thing)}" for thing in chosen))
            w.add("fi", f"Luettele {number} {partitive} numeroituna.", "\n".join(f"{i}. {upper_first(thing)}" for i, thing in enumerate(chosen, 1)))
            number = w.pick(NUMBERS["en"][n], str(n))
            chosen = w.random.sample(things["en"], n)
            question = w.pick(f"Name {number} {english}.", f"List {number} {english}.", f"Give me {number} {english}.", f"Tell me {number} {english}.")
            w.add("en", question, upper_first(listed("en", chosen)) + ".")
            w.add("en", f"List {number} {english} as bullet points.", "\n".join(f"* {upper_first(thing)}" for thing in chosen))
            w.add("en", f"List {number} {english} in a numbered list.", "\n".join(f"{i}. {upper_first(thing)}" for i, thing in enumerate(chosen, 1)))
        some = w.random.sample(things["fi"], min(3, len(things["fi"])))
        w.add("fi", f"Luettele {plural}.", upper_first(listed("fi", things["fi"])) + ".")
        w.add("fi", f"Mitä {plural} tiedät?", f"Esimerkiksi {listed('fi', some)}.")
        w.add("en", f"Which {english} do you know?", f"For example {listed('en', w.random.sample(things['en'], 3))}.")
        w.prefer("fi", f"Luettele kolme {partitive}.", upper_first(listed("fi", some)) + ".", upper_first(listed("en", w.random.sample(things["en"], 3))) + ".")


def told_topics(w):
    for topic in topics():
        for language in ("fi", "en"):
            name = topic[language]
            sentences = [sentence[language] for sentence in topic["sentences"]]
            plain = {"fi": (f"Kerro {name}.", f"Kerro minulle {name}.", f"Mitä tiedät {name}?", f"Kerro jotain {name}.", f"Puhutaan {name}."),
                     "en": (f"Tell me about {name}.", f"Tell me something about {name}.", f"What do you know about {name}?", f"Let's talk about {name}.")}[language]
            for question in plain:
                for _ in range(4):
                    start = w.random.sample(sentences[1:], w.pick(1, 2, 3))
                    w.add(language, w.varied(language, question), " ".join([sentences[0]] + sorted(start, key=sentences.index)))
            for _ in range(3):
                n = w.random.randint(2, 4)
                chosen = sentences[:1] + sorted(w.random.sample(sentences[1:], n - 1), key=sentences.index)
                number = NUMBERS[language][n]
                w.add(language, {"fi": f"Kirjoita {name} täsmälleen {number} lausetta." if n > 1 else "", "en": f"Write exactly {number} sentences about {name}."}[language], " ".join(chosen))
                w.add(language, {"fi": f"Kerro {name} {number} luettelomerkillä." if n > 1 else "", "en": f"Tell me about {name} in exactly {number} bullet points."}[language]
                      .replace("kaksi luettelomerkillä", "kahdella luettelomerkillä").replace("kolme luettelomerkillä", "kolmella luettelomerkillä").replace("neljä luettelomerkillä", "neljällä luettelomerkillä"),
                      "\n".join(f"* {sentence}" for sentence in chosen))
                text = " ".join(chosen)
                formats = [({"fi": f"Kerro {name} isoilla kirjaimilla.", "en": f"Tell me about {name} in all capital letters."}, text.upper()),
                           ({"fi": f"Kerro {name} pienillä kirjaimilla.", "en": f"Tell me about {name} in all lowercase letters."}, text.lower()),
                           ({"fi": f"Kerro {name} ja laita vastaus lainausmerkkeihin.", "en": f"Tell me about {name}. Wrap your entire response with double quotation marks."}, f'"{text}"'),
                           ({"fi": f"Kerro {name} ilman pilkkuja.", "en": f"Tell me about {name} without using any commas."}, " ".join(s for s in chosen if "," not in s)),
                           ({"fi": f"Kerro {name} ja anna otsikko muodossa <<otsikko>>.", "en": f"Write about {name} with a title wrapped in double angular brackets, such as <<title>>."},
                            f"<<{upper_first({'fi': sentences[0].split()[0], 'en': name}[language])}>>\n\n{text}"),
                           ({"fi": f"Kerro {name} yhdellä lauseella.", "en": f"Tell me about {name} in one sentence."}, sentences[0]),
                           ({"fi": f"Kerro lyhyesti {name}.", "en": f"Tell me briefly about {name}."}, sentences[0]),
                           ({"fi": f"Kerro {name} ja lopeta lauseeseen: Voinko auttaa vielä?", "en": f"Tell me about {name}. Finish your response with this exact phrase: Is there anything else I can help with?"},
                            text + {"fi": " Voinko auttaa vielä?", "en": " Is there anything else I can help with?"}[language]),
                           ({"fi": f"Kerro {name} kahdessa kappaleessa.", "en": f"Write two paragraphs about {name}. Separate them with a blank line."}, "\n\n".join((sentences[0] + " " + sentences[1], sentences[2] + " " + sentences[3])))]
                for asked, answer in formats:
                    if answer:
                        w.add(language, asked[language], answer)
            more = {"fi": ("Kerro lisää.", "Mitä muuta?", "Entä muuta?"), "en": ("Tell me more.", "What else?", "Anything else?")}[language]
            w.add(language, plain[0], " ".join(sentences[:2]), w.pick(*more), " ".join(sentences[2:4]))
            w.add(language, plain[1], sentences[0], w.pick(*more), sentences[1], w.pick(*more), sentences[2])
            other = {"fi": "en", "en": "fi"}[language]
            w.prefer(language, plain[0], " ".join(sentences[:3]), " ".join(s[other] for s in topic["sentences"][:3]))
            w.prefer(language, plain[0], " ".join(sentences[:3]), " ".join(sentences[:1] * 5))


def remembered(w):
    """What was said before is used."""
    for language in ("fi", "en"):
        for name in NAMES[language]:
            introductions = {"fi": (f"Nimeni on {name}.", f"Hei, olen {name}.", f"Moi! Minä olen {name}.", f"Minun nimeni on {name}."),
                             "en": (f"My name is {name}.", f"Hi, I am {name}.", f"Hello! I'm {name}.", f"You can call me {name}.")}[language]
            greeted = {"fi": (f"Hauska tutustua, {name}!", f"Hei {name}! Miten voin auttaa?"), "en": (f"Nice to meet you, {name}!", f"Hello {name}! How can I help you?")}[language]
            asked = {"fi": ("Mikä minun nimeni on?", "Muistatko nimeni?", "Mikä on nimeni?"), "en": ("What is my name?", "Do you remember my name?", "Who am I?")}[language]
            told = {"fi": (f"Nimesi on {name}.", f"Sinä olet {name}."), "en": (f"Your name is {name}.", f"You are {name}.")}[language]
            for introduction in introductions:
                w.add(language, introduction, w.pick(*greeted))
                w.add(language, introduction, w.pick(*greeted), w.pick(*asked), w.pick(*told))
        for town in TOWNS[language]:
            said = {"fi": f"Asun {town}.", "en": f"I live in {town}."}[language]
            w.add(language, said, {"fi": f"Mukavaa, että asut {town}! Miten voin auttaa?", "en": f"Nice! What is life like in {town}?"}[language],
                  {"fi": "Missä asun?", "en": "Where do I live?"}[language], {"fi": f"Asut {town}.", "en": f"You live in {town}."}[language])
        for english, finnish, *forms in [row for row in table("words.tsv") if len(row) == 5][:20]:
            w.add("fi", f"Minulla on {finnish}.", f"Mukavaa! Millainen {finnish} sinulla on?")
            w.add("en", f"I have {'an' if english[0] in 'aeiou' else 'a'} {english}.", f"Nice! What is your {english} like?")


def main():
    out = pathlib.Path(sys.argv[1])
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 1
    out.mkdir(parents=True, exist_ok=True)
    w = Writer()
    for part in (simple_questions, capitals, sums, translations, definitions, lists, told_topics, remembered):
        part(w)
    for name, rows in (("written", w.rows), ("written-preferences", w.pairs)):
        w.random.shuffle(rows)
        with (out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows[:max(100, int(len(rows) * share))]:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
