"""The forms that formats.py puts on an answer: how each is made, what its checker is told, and with what it goes together."""

import json
import re

from writing import HERE, NUMBERS, listed, lower_first, table, upper_first

ENDS = {"en": ("I hope this helps.", "Let me know if you need more.", "That is all for now.", "Ask me again at any time.", "Thank you for reading.", "This is the end of the story.", "Have a good day!", "Now you know it.",
               "What do you think about this?", "Was this what you wanted?", "Please tell me if something is missing.", "Nothing more needs to be said.", "See you next time.", "And that was it.", "Would you like to hear more?",
               "Take care of yourself.", "You can trust us.", "Can I do something more for you?", "The rest is history.", "Follow these steps and all will be well."),
        "fi": ("Toivottavasti tästä on apua.", "Kerro, jos haluat tietää lisää.", "Siinä kaikki tällä kertaa.", "Kysy milloin vain lisää.", "Kiitos, että luit tämän.", "Sen pituinen se.", "Hyvää päivänjatkoa!", "Nyt tiedät sen.",
               "Mitä mieltä olet tästä?", "Oliko tämä se, mitä halusit?", "Nähdään ensi kerralla.", "Haluatko kuulla lisää?", "Pidä huolta itsestäsi.", "Voinko tehdä vielä jotain?")}
POSTSCRIPTS = {"en": ("Write to me soon.", "I hope to hear from you.", "Do not forget to rest.", "There is more to tell next time.", "Say hello to your family.", "Ask if anything is unclear.", "Thank you for your time.", "See you soon.",
                      "I will tell you more later.", "Remember to drink water.", "This was fun to write.", "Take an umbrella with you."),
               "fi": ("Kirjoita pian.", "Toivottavasti kuulen sinusta.", "Muista levätä.", "Kerron lisää ensi kerralla.", "Terveisiä perheelle.", "Kysy, jos jokin jäi epäselväksi.", "Kiitos ajastasi.", "Nähdään pian.", "Muista juoda vettä.",
                      "Ota sateenvarjo mukaan.")}
SLOTS = {"en": "name address date city phone email company title place time price country school street number amount hobby language reason job salary season colour food website event team product signature age".split(),
         "fi": "nimi osoite päivämäärä kaupunki puhelin sähköposti yritys otsikko paikka aika hinta maa koulu katu numero määrä harrastus kieli syy työ palkka ruoka tapahtuma tuote allekirjoitus ikä".split()}
MENTIONS = {"en": ("I also want to mention {}.", "Here I think of {}.", "This has to do with {} as well.", "Important words here are {}.", "Let us not forget {}.", "Then there are {}."),
            "fi": ("Tärkeitä sanoja tässä ovat {}.", "Mainitsen myös sanat {}.", "Mukana ovat sanat {}.", "Tähän sopivat myös sanat {}.")}
KEYS = {"en": ("answer", "title", "text", "topic", "facts"), "fi": ("vastaus", "otsikko", "teksti", "aihe", "tiedot")}
ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
NAMES = {"en": {"en": "English", "fi": "Finnish"}, "fi": {"en": "englanti", "fi": "suomi"}}
SMALL_WORDS = set("about the and for write some what with your that this tell can you could give how why when where which who are is was were does should would from into "
                  "mikä mitä missä miksi miten kuka kerro kirjoita anna mitkä mistä milloin voitko onko ovat".split())

_PHRASES = {}


def phrases(language, kind, r):
    if language not in _PHRASES:
        _PHRASES[language], name = {}, None
        for line in (HERE / f"formats-{language}.txt").read_text(encoding="utf-8").splitlines()[1:]:
            if line.startswith("# "):
                name = line[2:]
            elif line:
                _PHRASES[language].setdefault(name, []).append(line.replace("\\n", "\n"))
    return r.choice(_PHRASES[language][kind])


class Answer:
    """Sentences on their way to a text; each form changes a part of it."""

    def __init__(self, language, base, elsewhere, r):
        self.language, self.request, self.sentences, self.other, self.r = language, base["request"], list(base["sentences"]), base["other"], r
        self.elsewhere = elsewhere  # Short sentences of other answers
        self.body = None  # Set by a form that lays the sentences out
        self.front = self.back = ""
        self.repeated = None
        self.letters = []  # What is done to the finished text

    def plain(self):
        return self.body if self.body is not None else " ".join(self.sentences)

    def text(self):
        text = self.front + self.plain() + self.back
        for change in self.letters:
            text = change(text)
        return f"{self.repeated}\n\n{text}" if self.repeated else text

    def words(self):
        return [word for word in dict.fromkeys(re.findall(r"[^\W\d_]+", " ".join(self.sentences))) if len(word) > 3]

    def subject(self):
        """A few words of the request, for a title."""
        words = [word for word in re.findall(r"[^\W_]+", self.request) if word.lower() not in SMALL_WORDS and len(word) > 2]
        return upper_first(" ".join(words[-self.r.choice((1, 2, 3)):])) or upper_first(self.sentences[0].split()[0])

    def number(self, n):
        return NUMBERS[self.language][n] if n <= 12 and self.r.random() < 0.3 else str(n)

    def counted(self, n, **arguments):
        return arguments, {"n": self.number(n)}


def groups(things, n):
    """n runs of about the same length."""
    return [things[len(things) * i // n:len(things) * (i + 1) // n] for i in range(n)]


def count_to(a, most):
    return a.r.randint(2, min(most, len(a.sentences))) if len(a.sentences) > 1 else None


def bullets(a):
    n = a.r.randint(min(2, len(a.sentences)), min(10, len(a.sentences)))
    a.sentences = a.sentences[:n]
    mark = a.r.choice("***-")
    a.body = "\n".join(f"{mark} {sentence}" for sentence in a.sentences)
    return a.counted(n, num_bullets=n)


def paragraphs(a):
    n = count_to(a, 6)
    if not n:
        return None
    a.body = a.r.choice(("\n***\n", "\n\n***\n\n")).join(" ".join(group) for group in groups(a.sentences, n))
    return a.counted(n, num_paragraphs=n)


def nth_paragraph(a):
    n = count_to(a, 5)
    if not n:
        return None
    parts = [" ".join(group) for group in groups(a.sentences, n)]
    k = a.r.randint(1, n)
    word = a.r.choice(a.words() or ["now"]).lower()
    if a.r.random() < 0.3:
        word = re.findall(r"\w+", parts[k - 1])[0].lower()
    else:
        parts[k - 1] = f"{upper_first(word)}{a.r.choice(('. ', '! ', ': '))}{parts[k - 1]}"
    a.body = "\n\n".join(parts)
    return {"num_paragraphs": n, "nth_paragraph": k, "first_word": word}, {"n": a.number(n), "k": k, "k_th": ORDINALS[k], "word": word}


def sections(a):
    n = count_to(a, 5)
    if not n:
        return None
    word = a.r.choice({"en": ("Section", "SECTION", "Part", "PARAGRAPH", "Day", "Chapter"), "fi": ("Jakso", "JAKSO", "Osa", "Kappale", "Päivä")}[a.language])
    a.body = "\n\n".join(f"{word} {i}\n{' '.join(group)}" for i, group in enumerate(groups(a.sentences, n), 1))
    return {"section_spliter": word, "num_sections": n}, {"n": a.number(n), "word": word}


def two_responses(a):
    if len(a.sentences) < 2:
        return None
    first, second = groups(a.sentences, 2)
    a.body = a.r.choice(("\n******\n", "\n\n******\n\n")).join((" ".join(first), " ".join(second)))
    return {}, {}


def as_json(a):
    text, (answer, title, body, topic, facts) = " ".join(a.sentences), KEYS[a.language]
    thing = a.r.choice(({answer: text}, {title: a.subject(), body: text}, {topic: a.subject(), facts: a.sentences}, {answer: text}))
    a.body = json.dumps(thing, ensure_ascii=False, indent=a.r.choice((None, 2)))
    if a.r.random() < 0.3:
        a.body = f"```json\n{a.body}\n```"
    return {}, {}


def placeholders(a):
    n = a.r.choice((1, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12))
    slots = a.r.sample(SLOTS[a.language], n)
    greeting = {"en": f"Dear [{slots[0]}],", "fi": f"Hei [{slots[0]}],"}[a.language]
    rest = "\n".join(f"{upper_first(slot)}: [{slot}]" for slot in slots[1:])
    a.body = f"{greeting}\n\n{' '.join(a.sentences)}" + (f"\n\n{rest}" if rest else "")
    return a.counted(n, num_placeholders=n)


def highlights(a):
    n = a.r.choice((1, 2, 2, 3, 3, 3, 4, 5))
    sentences, marked = a.sentences[:], 0
    for i, sentence in enumerate(sentences):
        words = sentence.split()
        size = a.r.randint(1, 3)
        if marked < n and len(words) > size + 1:
            at = a.r.randrange(len(words) - size)
            words[at] = "*" + words[at]
            words[at + size - 1] = re.sub(r"([.,:;!?]*)$", r"*\1", words[at + size - 1], count=1)
            sentences[i], marked = " ".join(words), marked + 1
    if marked < n:
        return None
    a.body = a.r.choice((" ", " ", "\n\n")).join(sentences)
    return a.counted(n, num_highlights=n)


def words_least(a):
    count = len(re.findall(r"\w+", a.plain()))
    fitting = [n for n in (10, 15, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300) if n <= count <= 2.5 * n]
    return a.counted(n, num_words=n, relation="at least") if fitting and (n := a.r.choice(fitting)) else None


def words_less(a):
    count = len(re.findall(r"\w+", a.plain())) + 15
    n = a.r.choice([n for n in (30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 700, 1000) if n > count][:4] or [count + 20])
    return a.counted(n, num_words=n, relation="less than")


def sentences_least(a):
    n = a.r.randint(max(1, len(a.sentences) - 3), len(a.sentences))
    return a.counted(n, num_sentences=n, relation="at least")


def sentences_less(a):
    a.sentences = a.sentences[:a.r.randint(1, 6)]
    n = len(a.sentences) + a.r.randint(1, 3)
    return a.counted(n, num_sentences=n, relation="less than")


def existence(a):
    n = a.r.randint(1, 3)
    if a.r.random() < 0.5 and len(a.words()) >= n:
        chosen = a.r.sample(a.words(), n)
    else:
        rows = [row for row in table("words.tsv") if len(row) >= 2]
        chosen = [row[{"en": 0, "fi": 1}[a.language]] for row in a.r.sample(rows, n + 1)][:max(2, n)]
        a.sentences.insert(a.r.choice((0, len(a.sentences))), a.r.choice(MENTIONS[a.language]).format(listed(a.language, chosen)))
    return {"keywords": chosen}, {"words": shown(a, chosen)}


def shown(a, words):
    mark = a.r.choice(("{}", "{}", '"{}"', "'{}'"))
    return listed(a.language, [mark.format(word) for word in words]) if len(words) > 1 else mark.format(words[0])


def forbidden(a):
    present = {word.lower() for word in re.findall(r"\w+", " ".join(a.sentences))}
    rows = [row for row in table("words.tsv") if len(row) >= 2]
    chosen = [row[{"en": 0, "fi": 1}[a.language]] for row in a.r.sample(rows, a.r.randint(1, 4))]
    if a.r.random() < 0.5:  # A word of the request is what would come first to mind.
        near = [word.lower() for word in re.findall(r"[^\W\d_]{4,}", a.request) if word.lower() not in SMALL_WORDS]
        chosen += a.r.sample(near, min(1, len(near)))
    a.sentences = [sentence for sentence in a.sentences if not {word.lower() for word in re.findall(r"\w+", sentence)} & set(chosen)]
    if not a.sentences or not present:
        return None
    return {"forbidden_words": chosen}, {"words": shown(a, chosen)}


def frequency_least(a):
    if not a.words():
        return None
    word = a.r.choice(a.words()).lower()
    count = len(re.findall(word, " ".join(a.sentences), re.IGNORECASE))
    n = max(2, count + a.r.randint(0, 4))
    if n > count:
        more = [upper_first(word)] + [word] * (n - count - 1)
        a.sentences.append(a.r.choice((", ".join(more) + ".", "! ".join(map(upper_first, more)) + "!", listed(a.language, more) + "." if len(more) > 1 else more[0] + ".")))
    return {"keyword": word, "frequency": n, "relation": "at least"}, {"n": a.number(n), "word": shown(a, [word])}


def frequency_less(a):
    if not a.words():
        return None
    word = a.r.choice(a.words()).lower()
    n = len(re.findall(word, " ".join(a.sentences), re.IGNORECASE)) + a.r.randint(2, 4)
    return {"keyword": word, "frequency": n, "relation": "less than"}, {"n": a.number(n), "word": shown(a, [word])}


def letter_least(a):
    text = a.plain().lower()
    letter = a.r.choice("aeiostnrlkmuhdpgcyvb")
    if not text.count(letter):
        return None
    n = max(1, int(text.count(letter) * a.r.uniform(0.4, 1)))
    return {"letter": letter, "let_frequency": n, "let_relation": "at least"}, {"n": a.number(n), "letter": letter}


def letter_less(a):
    letter = a.r.choice("zxqjwbfvkcgp")
    n = a.plain().lower().count(letter) + a.r.randint(2, 5)
    return {"letter": letter, "let_frequency": n, "let_relation": "less than"}, {"n": a.number(n), "letter": letter}


def title(a):
    a.front = f"<<{a.subject()}>>" + a.r.choice(("\n", "\n\n", "\n\n"))
    return {}, {}


def postscript(a):
    marker = a.r.choice(("P.S.", "P.S.", "P.P.S"))
    a.back = f"\n\n{marker} {a.r.choice(POSTSCRIPTS[a.language])}"
    return {"postscript_marker": marker}, {"marker": marker}


def end(a):
    # Mostly a sentence never seen at an end, so that it is copied and not remembered.
    phrase = a.r.choice(ENDS[a.language] if a.r.random() < 0.3 else a.elsewhere)
    if a.r.random() < 0.2 and len(a.sentences) > 1:
        phrase = a.sentences[-1]
        if a.body is None:
            a.sentences = a.sentences[:-1]
    a.back = a.r.choice((" ", " ", "\n\n")) + phrase
    return {"end_phrase": phrase}, {"phrase": phrase}


def quotation(a):
    a.letters.append(lambda text: f'"{text}"')
    return {}, {}


def no_comma(a):
    a.letters.insert(0, lambda text: text.replace(",", ""))
    return {}, {}


def lowercase(a):
    a.letters.insert(0, str.lower)
    return {}, {}


def uppercase(a):
    a.letters.insert(0, str.upper)
    return {}, {}


def capital_least(a):
    words = [word for word in a.words() if not word.isupper()]
    n = a.r.randint(1, 5)
    if len(words) < n:
        return None
    for word in a.r.sample(words, n):
        a.sentences = [re.sub(rf"\b{word}\b", word.upper(), sentence) for sentence in a.sentences]
    return a.counted(n, capital_frequency=n, capital_relation="at least")


def capital_less(a):
    n = a.r.randint(2, 12)
    return a.counted(n, capital_frequency=n, capital_relation="less than")


def language(a):
    to = a.language
    if a.r.random() < 0.75:
        if not a.other:
            return None
        to = {"fi": "en", "en": "fi"}[a.language]
        a.sentences = list(a.other)
    return {"language": to}, {"name": NAMES[a.language][to]}


def repeat(a):
    return {}, {}


def kind(name, make, slot, order, weight, not_with=()):
    return {"id": name, "make": make, "slot": slot, "order": order, "weight": weight, "not_with": not_with}


# One form of each slot at most. Order: the sentences, the layout, the frame, the letters.
KINDS = {
    "language": kind("language:response_language", language, "language", 0, 4, ("words", "case")),
    "existence": kind("keywords:existence", existence, "words", 1, 5),
    "forbidden": kind("keywords:forbidden_words", forbidden, "words", 1, 5),
    "frequency_least": kind("keywords:frequency", frequency_least, "words", 1, 5),
    "frequency_less": kind("keywords:frequency", frequency_less, "words", 1, 1),
    "capital_least": kind("change_case:capital_word_frequency", capital_least, "case", 2, 2, ("words",)),
    "sentences_least": kind("length_constraints:number_sentences", sentences_least, "body", 2, 3, ("back",)),
    "sentences_less": kind("length_constraints:number_sentences", sentences_less, "body", 2, 4, ("back",)),
    "bullets": kind("detectable_format:number_bullet_lists", bullets, "body", 3, 5),
    "paragraphs": kind("length_constraints:number_paragraphs", paragraphs, "body", 3, 4),
    "nth_paragraph": kind("length_constraints:nth_paragraph_first_word", nth_paragraph, "body", 3, 2, ("front", "back")),
    "sections": kind("detectable_format:multiple_sections", sections, "body", 3, 3),
    "two_responses": kind("combination:two_responses", two_responses, "body", 3, 4),
    "json": kind("detectable_format:json_format", as_json, "body", 3, 3, ("front", "back", "wrap", "comma", "repeat")),
    "placeholders": kind("detectable_content:number_placeholders", placeholders, "body", 3, 4),
    "highlights": kind("detectable_format:number_highlighted_sections", highlights, "body", 3, 6),
    "words_least": kind("length_constraints:number_words", words_least, "size", 4, 4),
    "words_less": kind("length_constraints:number_words", words_less, "size", 4, 4),
    "letter_least": kind("keywords:letter_frequency", letter_least, "words", 4, 2),
    "letter_less": kind("keywords:letter_frequency", letter_less, "words", 4, 2),
    "title": kind("detectable_format:title", title, "front", 5, 5),
    "postscript": kind("detectable_content:postscript", postscript, "back", 5, 4),
    "end": kind("startend:end_checker", end, "back", 5, 6),
    "no_comma": kind("punctuation:no_comma", no_comma, "comma", 6, 7),
    "lowercase": kind("change_case:english_lowercase", lowercase, "case", 6, 5),
    "uppercase": kind("change_case:english_capital", uppercase, "case", 6, 4),
    "capital_less": kind("change_case:capital_word_frequency", capital_less, "case", 6, 1),
    "quotation": kind("startend:quotation", quotation, "wrap", 7, 6),
    "repeat": kind("combination:repeat_prompt", repeat, "repeat", 8, 5, ("wrap", "comma", "case", "body")),
}
