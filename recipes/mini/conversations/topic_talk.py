"""What topics.txt tells. The same in a form that is asked for is made by formats.py."""

from writing import HERE, LANGUAGES, OTHER

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
