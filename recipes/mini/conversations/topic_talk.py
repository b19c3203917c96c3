"""What topics.txt tells, plainly and in a few forms; formats.py has many more."""

from writing import HERE, LANGUAGES, NUMBERS, OTHER, upper_first

PLAIN = {"fi": ("Kerro {0}.", "Kerro minulle {0}.", "Mitä tiedät {0}?", "Kerro jotain {0}.", "Puhutaan {0}.", "Voisitko kertoa {0}?", "Kertoisitko {0}?", "Haluaisin tietää {0}.", "Mitä osaat kertoa {0}?",
                "Kerro lisää {0}.", "Kuvaile {1}.", "Osaatko kertoa {0}?", "Haluan oppia {0}.", "Kerro muutama asia {0}.", "Kirjoita {0}.", "Mitä {0} voi sanoa?", "Voitko kertoa jotain {0}?", "Kerro jotakin {0}.", "Mitä {0} kannattaa tietää?"),
         "en": ("Tell me about {0}.", "Tell me something about {0}.", "What do you know about {0}?", "Let's talk about {0}.", "Could you tell me about {0}?", "Can you tell me something about {0}?",
                "I would like to know about {0}.", "What can you tell me about {0}?", "Tell me more about {0}.", "Describe {0}.", "Please describe {0}.", "I want to learn about {0}.", "Tell me a few things about {0}.",
                "Write about {0}.", "Do you know anything about {0}?", "Say something about {0}.", "Give me some facts about {0}.", "What is worth knowing about {0}?", "What should one know about {0}?")}
SHORT = {"fi": ("Kerro {0} yhdellä lauseella.", "Kerro lyhyesti {0}.", "Kuvaile {1} yhdellä lauseella.", "Sano yksi asia {0}.", "Kerro yksi tosiasia {0}.", "Kerro jokin kiinnostava asia {0}.", "Vastaa lyhyesti: mitä tiedät {0}?"),
         "en": ("Tell me about {0} in one sentence.", "Tell me briefly about {0}.", "Describe {0} in one sentence.", "Tell me one thing about {0}.", "Tell me one fact about {0}.", "Tell me an interesting fact about {0}.",
                "Answer briefly: what do you know about {0}?")}
MORE = {"fi": ("Kerro lisää.", "Mitä muuta?", "Entä muuta?", "Kerro vielä jotain.", "Jatka."), "en": ("Tell me more.", "What else?", "Anything else?", "Tell me something more.", "Go on.")}


def topics():
    found = []
    for line in (HERE / "topics.txt").read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("# "):
            elative, partitive, english = line[2:].split(" | ")
            found.append({"fi": (elative, partitive), "en": (english,), "sentences": []})
        elif line.strip():
            found[-1]["sentences"].append(dict(zip(LANGUAGES, line.split(" | "))))
    return found


def told_topics(w):
    for topic in topics():
        for language in LANGUAGES:
            names = topic[language]
            sentences = [sentence[language] for sentence in topic["sentences"]]
            plain = [question.format(*names) for question in PLAIN[language]]
            for question in plain:
                for dressed in (question, w.varied(language, question), w.varied(language, question)):
                    rest = w.random.sample(sentences[1:], w.pick(1, 2, 3))
                    w.add(language, dressed, " ".join([sentences[0]] + sorted(rest, key=sentences.index)))
            for question in SHORT[language]:
                w.ask(language, [question.format(*names)], [sentences[0]])
            for _ in range(3):
                formats(w, language, names[0], sentences)
            w.add(language, w.pick(*plain), " ".join(sentences[:2]), w.pick(*MORE[language]), " ".join(sentences[2:4]))
            w.add(language, w.pick(*plain), sentences[0], w.pick(*MORE[language]), sentences[1], w.pick(*MORE[language]), sentences[2])
            in_other = [sentence[OTHER[language]] for sentence in topic["sentences"]]
            again = {"fi": ("Entä englanniksi?", "Sano sama englanniksi."), "en": ("And in Finnish?", "Say the same in Finnish.")}[language]
            w.add(language, w.pick(*plain), " ".join(sentences[:2]), w.pick(*again), " ".join(in_other[:2]))
            for _ in range(2):
                w.prefer(language, w.pick(*plain), " ".join(sentences[:3]), " ".join(in_other[:3]))
            w.prefer(language, w.pick(*plain), " ".join(sentences[:3]), " ".join(sentences[:1] * 5))
            other = w.pick(*topics_but(topic))
            w.prefer(language, w.pick(*plain), " ".join(sentences[:3]), " ".join(sentence[language] for sentence in other["sentences"][:3]))


def topics_but(topic):
    return [other for other in topics() if other["en"] != topic["en"]]


def formats(w, language, name, sentences):
    n = w.random.randint(2, 4)
    chosen = sentences[:1] + sorted(w.random.sample(sentences[1:], n - 1), key=sentences.index)
    number, text = NUMBERS[language][n], " ".join(chosen)
    points = {2: "kahdella", 3: "kolmella", 4: "neljällä"}[n]
    title = upper_first({"fi": sentences[0].split()[0], "en": name}[language])
    asked = [({"fi": f"Kirjoita {name} täsmälleen {number} lausetta.", "en": f"Write exactly {number} sentences about {name}."}, text),
             ({"fi": f"Kerro {name} {points} luettelomerkillä.", "en": f"Tell me about {name} in exactly {number} bullet points."}, "\n".join(f"* {sentence}" for sentence in chosen)),
             ({"fi": f"Kerro {name} isoilla kirjaimilla.", "en": f"Tell me about {name} in all capital letters."}, text.upper()),
             ({"fi": f"Kerro {name} pienillä kirjaimilla.", "en": f"Tell me about {name} in all lowercase letters."}, text.lower()),
             ({"fi": f"Kerro {name} ja laita vastaus lainausmerkkeihin.", "en": f"Tell me about {name}. Wrap your entire response with double quotation marks."}, f'"{text}"'),
             ({"fi": f"Kerro {name} ilman pilkkuja.", "en": f"Tell me about {name} without using any commas."}, " ".join(s for s in chosen if "," not in s)),
             ({"fi": f"Kerro {name} ja anna otsikko muodossa <<otsikko>>.", "en": f"Write about {name} with a title wrapped in double angular brackets, such as <<title>>."}, f"<<{title}>>\n\n{text}"),
             ({"fi": f"Kerro {name} ja lopeta lauseeseen: Voinko auttaa vielä?", "en": f"Tell me about {name}. Finish your response with this exact phrase: Is there anything else I can help with?"},
              text + {"fi": " Voinko auttaa vielä?", "en": " Is there anything else I can help with?"}[language]),
             ({"fi": f"Kerro {name} kahdessa kappaleessa.", "en": f"Write two paragraphs about {name}. Separate them with a blank line."}, f"{sentences[0]} {sentences[1]}\n\n{sentences[2]} {sentences[3]}")]
    for question, answer in asked:
        if answer:
            w.add(language, question[language], answer)
