"""What every kind of conversation needs: the lists' readers, the ways people also type a question, and the collector."""

import json
import pathlib
import random
import re

HERE = pathlib.Path(__file__).parent
LANGUAGES = ("fi", "en")
OTHER = {"fi": "en", "en": "fi"}
NUMBERS = {
    "fi": "nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen yksitoista kaksitoista kolmetoista "
          "neljätoista viisitoista kuusitoista seitsemäntoista kahdeksantoista yhdeksäntoista kaksikymmentä".split(),
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
          "eighteen nineteen twenty".split()}

# Around a question without its mark, begun with a small letter.
INDIRECT = {
    "fi": ("Kerro, {}.", "Kertoisitko, {}?", "Haluaisin tietää, {}.", "Tiedätkö, {}?", "Osaatko sanoa, {}?", "Voisitko kertoa, {}?",
           "Voitko kertoa, {}?", "Sano, {}.", "Haluan tietää, {}.", "Kerro minulle, {}.", "Minua kiinnostaa, {}.", "Kertoisitko minulle, {}?",
           "Osaatko kertoa, {}?", "Voisitko sanoa, {}?", "Kerrohan, {}."),
    "en": ("Can you tell me {}?", "Could you tell me {}?", "Do you know {}?", "I would like to know {}.", "Please tell me {}.", "Tell me {}.",
           "I want to know {}.", "Would you tell me {}?", "I wonder {}.", "Could you say {}?", "May I ask {}?", "Let me know {}.")}
# Around a whole question.
AROUND = {
    "fi": ("Hei, {}", "Moi, {}", "Hei! {}", "Anteeksi, {}", "Yksi kysymys: {}", "Minulla on kysymys: {}", "{} Kiitos!", "Vastaa suomeksi: {}", "No niin, {}"),
    "en": ("Hi, {}", "Hello, {}", "Hey! {}", "Excuse me, {}", "Quick question: {}", "I have a question: {}", "{} Thanks!", "Answer in English: {}", "Please answer: {}")}
# After a request without its full stop, and before a whole one.
POLITELY = {"fi": ("{}, kiitos.", "{}, ole hyvä.", "Hei! {}.", "Hei, {}.", "{}. Kiitos!"), "en": ("{}, please.", "Please: {}.", "Hi! {}.", "Hello! {}.", "{}, thank you.", "{}. Thanks!")}
REQUESTS = set("Kerro Luettele Nimeä Mainitse Kuvaile Selitä Anna Sano Kirjoita Ehdota Keksi Neuvo Suosittele Opeta Laske Käännä Tell List Name Mention Describe Explain Give Say Write Suggest "
               "Recommend Teach Calculate Define Make".split())
FINNISH_QUESTION_WORDS = set("mikä mitä missä mistä milloin koska miksi miten kuinka kuka kenen kenelle montako paljonko minkä mitkä millainen millä "
                             "minä mihin mille kumpi keitä mitkä millaista millaisia".split())
ENGLISH_QUESTION_WORDS = set("what which who whom where when why how is are do does can could will".split())
HELPERS = set("is are was were am do does did can could will would should has have may must what's who's".split())


def table(name):
    with (HERE / name).open(encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("# ")]


def question_blocks(name, ask, answer):
    """The blocks of a file: the lines that begin with `ask` and those that begin with `answer`."""
    questions, answers = [], []
    for line in (HERE / name).read_text(encoding="utf-8").splitlines() + [""]:
        if line.startswith(ask + " "):
            questions.append(line[len(ask) + 1:])
        elif line.startswith(answer + " "):
            answers.append(line[len(answer) + 1:].replace("\\n", "\n"))
        elif not line.strip() and questions:
            yield questions, answers
            questions, answers = [], []


def lower_first(text):
    return text if text.startswith("I ") else text[:1].lower() + text[1:]


def upper_first(text):
    return text[:1].upper() + text[1:]


def listed(language, things):
    return ", ".join(things[:-1]) + {"fi": " ja ", "en": " and "}[language] + things[-1]


def indirect(language, question):
    """The question as part of a sentence ("what the capital of Norway is"), or None where its order would have to change in ways we do not know."""
    if not question.endswith("?") or re.search(r"[.?!:\"] ", question):
        return None
    words = question[:-1].split()
    if language == "fi":
        return lower_first(question[:-1]) if words[0].lower() in FINNISH_QUESTION_WORDS and len(words) > 1 else None
    simple = re.fullmatch(r"(What|Where|Who) (is|are|was|were) ((?:the|a|an|your|my|Finland's|[A-Z]\w+)\b.*)", question[:-1])
    if simple and not re.search(r" (like|doing|going|happening|wearing|called|located|made|holding)\b", question):
        return f"{simple[1].lower()} {simple[3]} {simple[2]}"
    how = re.fullmatch(r"How (?:do|can|should|could|does) (?:I|one|you) ((?!feel|do\b|help|learn things).+)", question[:-1])
    if how:
        return f"how to {how[1]}"
    turned = set("do does did can could will should may".split()) & set(words[2:5]) or re.search(r" is (an? |[A-Z])", question)
    if words[0] in ("Which", "Who") and words[1] not in HELPERS and not turned:
        return lower_first(question[:-1])
    return None


def normal(text):
    return " ".join(re.findall(r"\w+|[-+*/=]", text.lower()))


class Writer:
    """Collects conversations; `random` is the only source of choice. What asks a held-out prompt's question is left out."""

    def __init__(self, prompts):
        self.random = random.Random(20251206)
        self.rows, self.pairs, self.left_out = [], [], 0
        self.held_out = {normal(message["content"]) for path in prompts for line in path.open(encoding="utf-8")
                         for message in json.loads(line)["messages"]}

    def is_held_out(self, texts):
        found = any(normal(text) in self.held_out for text in texts)
        self.left_out += found
        return found

    def add(self, language, *turns):
        if self.is_held_out(turns[::2]):
            return
        messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]
        self.rows.append({"messages": messages, "lang": language, "source": "written"})

    def ask(self, language, questions, answers, times=1):
        """Every question once as it stands and `times` times in other dress."""
        for question in questions:
            self.add(language, question, self.pick(*answers))
            for _ in range(times):
                self.add(language, self.varied(language, question), self.pick(*answers))

    def prefer(self, language, question, chosen, rejected):
        if chosen != rejected and not self.is_held_out([question]):
            self.pairs.append({"prompt": [{"role": "user", "content": question}], "chosen": chosen, "rejected": rejected,
                               "lang": language, "source": "written"})

    def pick(self, *choices):
        return self.random.choice(choices)

    def varied(self, language, question):
        """The question as people also type it."""
        roll = self.random.random()
        if roll < 0.12:
            return question.lower()
        if roll < 0.26:
            return question.rstrip("?!.").lower()
        if roll < 0.32:
            return question.rstrip("?!.")
        inner = indirect(language, question)
        if inner and roll < 0.85:
            return self.pick(*INDIRECT[language]).format(inner)
        if question.endswith(".") and question.split()[0] in REQUESTS and roll > 0.55:
            politely = self.pick(*POLITELY[language])
            return politely.format(lower_first(question[:-1]) if politely.endswith(", {}.") else question[:-1])
        if question.endswith("?") and roll > 0.75:
            around = self.pick(*AROUND[language])
            first = question.split()[0].lower()
            begins = first in FINNISH_QUESTION_WORDS | ENGLISH_QUESTION_WORDS or first.endswith(("ko", "kö"))
            return around.format(lower_first(question) if begins and around.endswith(", {}") else question)
        return question
