"""Words and phrases: translations, forms, letters, opposites. The answer is a sentence in the question's language, the other language's word in quotes."""

from writing import LANGUAGES, NUMBERS, table, upper_first

TO_ENGLISH = ("Mitä on {} englanniksi?", "Mitä \"{}\" on englanniksi?", "Miten sanotaan englanniksi {}?", "Mikä on {} englanniksi?", "Mikä on sana {} englanniksi?",
              "Mikä on sanan {} englanninkielinen käännös?", "Miten sana {} käännetään englanniksi?", "Mitä {} tarkoittaa englanniksi?", "Mikä englannin sana tarkoittaa samaa kuin {}?",
              "Käännä englanniksi: {}", "Käännä sana {} englanniksi.", "Kuinka sanotaan {} englanniksi?", "{} englanniksi?", "Miten sanoisin englanniksi {}?", "Kerro, mikä on {} englanniksi.")
TO_FINNISH = ("What is {} in Finnish?", "What is \"{}\" in Finnish?", "How do you say {} in Finnish?", "How do I say \"{}\" in Finnish?", "What is the Finnish word for \"{}\"?",
              "Translate into Finnish: {}", "Translate the word {} into Finnish.", "What do Finns call {}?", "What's {} in Finnish?", "How does one say {} in Finnish?",
              "Which Finnish word means {}?", "{} in Finnish?", "How would you say {} in Finnish?", "Tell me the Finnish word for {}.", "What is the word {} in Finnish?")
FROM_ENGLISH = ("Mitä on {} suomeksi?", "Mitä \"{}\" on suomeksi?", "Käännä suomeksi: {}", "Mitä tarkoittaa englannin sana \"{}\"?", "Mikä on {} suomeksi?", "Mitä \"{}\" tarkoittaa suomeksi?",
                "Miten sanotaan suomeksi \"{}\"?", "Mikä suomen sana tarkoittaa samaa kuin \"{}\"?", "Käännä sana \"{}\" suomeksi.", "Mitä \"{}\" tarkoittaa?")
FROM_FINNISH = ("What does {} mean?", "What is {} in English?", "Translate into English: {}", "What does the word {} mean in English?", "What is the English word for {}?", "What does \"{}\" mean in English?",
                "How do you say {} in English?", "Which English word is the same as {}?", "Translate the word {} into English.", "What is the meaning of the Finnish word {}?")


def translations(w):
    words = [(english.removeprefix("to "), finnish, forms) for english, finnish, *forms in table("words.tsv")]
    for plain, finnish, forms in words:
        chosen = {"to_english": f"Suomen sana {finnish} on englanniksi \"{plain}\".", "to_finnish": f"The English word {plain} is \"{finnish}\" in Finnish.",
                  "from_english": f"Englannin sana \"{plain}\" on suomeksi {finnish}.", "from_finnish": f"The Finnish word \"{finnish}\" means {plain} in English."}
        w.ask("fi", [question.format(finnish) for question in w.random.sample(TO_ENGLISH, 8)], [chosen["to_english"]])
        w.ask("en", [question.format(plain) for question in w.random.sample(TO_FINNISH, 8)], [chosen["to_finnish"]])
        w.ask("fi", [question.format(plain) for question in w.random.sample(FROM_ENGLISH, 4)], [chosen["from_english"]], 0)
        w.ask("en", [question.format(finnish) for question in w.random.sample(FROM_FINNISH, 4)], [chosen["from_finnish"]], 0)
        other, other_finnish, _ = w.pick(*words)
        w.add("fi", w.pick(*TO_ENGLISH).format(finnish), chosen["to_english"], w.pick("Entä {}?", "Entä sana {}?").format(other_finnish), f"Suomen sana {other_finnish} on englanniksi \"{other}\".")
        w.add("en", w.pick(*TO_FINNISH).format(plain), chosen["to_finnish"], w.pick("And {}?", "What about {}?").format(other), f"The English word {other} is \"{other_finnish}\" in Finnish.")
        w.prefer("fi", w.pick(*TO_ENGLISH).format(finnish), chosen["to_english"], f"Suomen sana {finnish} on englanniksi \"{other}\".")
        w.prefer("en", w.pick(*TO_FINNISH).format(plain), chosen["to_finnish"], f"The English word {plain} is \"{other_finnish}\" in Finnish.")
        w.prefer("fi", w.pick(*TO_ENGLISH).format(finnish), chosen["to_english"], chosen["from_finnish"])
        w.prefer("en", w.pick(*TO_FINNISH).format(plain), chosen["to_finnish"], chosen["from_english"])
        finnish_word(w, finnish, forms)
        english_word(w, plain)
    phrases(w)
    opposites(w)


def finnish_word(w, finnish, forms):
    if forms:
        genitive, partitive, plural = forms
        w.ask("fi", [f"Mikä on sanan {finnish} monikko?", f"Mikä on sanan \"{finnish}\" monikkomuoto?"], [f"Sanan {finnish} monikko on {plural}."], 0)
        w.add("fi", f"Mikä on sanan {finnish} genetiivi?", f"Sanan {finnish} genetiivi on {genitive}.")
        w.add("fi", f"Mikä on sanan {finnish} partitiivi?", f"Sanan {finnish} partitiivi on {partitive}.")
    if " " in finnish:
        return
    w.add("fi", w.pick(f"Tavaa sana {finnish}.", f"Miten kirjoitetaan {finnish}?"), "-".join(finnish))
    w.add("fi", f"Montako kirjainta on sanassa {finnish}?", f"Sanassa {finnish} on {NUMBERS['fi'][len(finnish)]} kirjainta.")
    w.add("fi", f"Millä kirjaimella sana {finnish} alkaa?", f"Sana {finnish} alkaa kirjaimella {finnish[0]}.")
    w.add("fi", w.pick(f"Kirjoita sana {finnish} isoilla kirjaimilla.", f"Kirjoita isoilla kirjaimilla: {finnish}"), finnish.upper())
    w.add("fi", w.pick(f"Sano {finnish} kolme kertaa.", f"Toista sana {finnish} kolme kertaa."), f"{upper_first(finnish)}, {finnish}, {finnish}.")


def english_word(w, plain):
    if " " in plain:
        return
    w.add("en", w.pick(f"Spell the word {plain}.", f"How do you spell {plain}?"), "-".join(plain))
    w.add("en", f"How many letters are in the word {plain}?", f"The word {plain} has {NUMBERS['en'][len(plain)]} letters.")
    w.add("en", f"Which letter does {plain} start with?", f"{upper_first(plain)} starts with the letter {plain[0]}.")
    w.add("en", w.pick(f"Write the word {plain} in capital letters.", f"Write in capitals: {plain}"), plain.upper())
    w.add("en", w.pick(f"Say {plain} three times.", f"Repeat the word {plain} three times."), f"{upper_first(plain)}, {plain}, {plain}.")


def phrases(w):
    """A phrase to translate is answered by its translation, a question about it by a sentence."""
    for english, finnish in table("phrases.tsv"):
        for question in ("Käännä englanniksi: {}", "Käännä suomesta englanniksi: {}", "Käännä tämä englanniksi: {}", "Käännä lause englanniksi: {}"):
            w.add("fi", question.format(finnish), english)
        for question in ("Miten sanotaan englanniksi \"{}\"", "Mitä on \"{}\" englanniksi?", "Miten \"{}\" sanotaan englanniksi?", "Kuinka sanoisin englanniksi \"{}\"", "Mitä \"{}\" on englanniksi?"):
            w.add("fi", question.format(finnish), f"Englanniksi sanotaan \"{english}\"")
        for question in ("Translate into Finnish: {}", "Translate from English into Finnish: {}", "Translate the sentence into Finnish: {}", "Please translate into Finnish: {}"):
            w.add("en", question.format(english), finnish)
        for question in ("How do you say \"{}\" in Finnish?", "What is \"{}\" in Finnish?", "How would you say \"{}\" in Finnish?", "How does one say \"{}\" in Finnish?", "What do Finns say for \"{}\""):
            w.add("en", question.format(english), f"In Finnish people say \"{finnish}\"")
        for question in ("Käännä suomeksi: {}", "Käännä lause suomeksi: {}", "Käännä englannista suomeksi: {}"):
            w.add("fi", question.format(english), finnish)
        for question in ("Translate into English: {}", "Translate the sentence into English: {}", "Translate from Finnish into English: {}"):
            w.add("en", question.format(finnish), english)
        w.ask("en", [f"What does \"{finnish}\" mean?", f"What does the Finnish phrase \"{finnish}\" mean?"], [f"It means \"{english}\""], 0)
        w.ask("fi", [f"Mitä tarkoittaa \"{english}\"", f"Mitä englannin \"{english}\" tarkoittaa?"], [f"Se tarkoittaa \"{finnish}\""], 0)
        w.prefer("fi", f"Käännä englanniksi: {finnish}", english, finnish)
        w.prefer("en", f"Translate into Finnish: {english}", finnish, english)


def opposites(w):
    for first, second, english, opposite in table("opposites.tsv"):
        for a, b, c, d in ((first, second, english, opposite), (second, first, opposite, english)):
            finnish, answer = f"Sanan {a} vastakohta on {b}.", f"The opposite of {c} is {d}."
            w.ask("fi", (f"Mikä on sanan {a} vastakohta?", f"Mikä on \"{a}\" vastakohta?", f"Sanan {a} vastakohta?", f"Mikä sana on sanan {a} vastakohta?", f"Kerro sanan {a} vastakohta.",
                         f"Mikä on vastakohta sanalle {a}?", f"Keksi sanalle {a} vastakohta."), [finnish], 3)
            w.ask("en", (f"What is the opposite of {c}?", f"What's the opposite of \"{c}\"?", f"Opposite of {c}?", f"Which word means the opposite of {c}?", f"Tell me the opposite of {c}.",
                         f"What is the opposite of the word {c}?", f"Give me the opposite of {c}."), [answer], 3)
            w.prefer("fi", f"Mikä on sanan {a} vastakohta?", finnish, f"Sanan {a} vastakohta on {a}.")
            w.prefer("en", f"What is the opposite of {c}?", answer, f"The opposite of {c} is {c}.")
