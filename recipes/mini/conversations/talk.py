"""Small talk and facts, asked in many ways, in one language and the other, and what was said before."""

from writing import LANGUAGES, OTHER, question_blocks, table

NAMES = {"fi": "Anna Matti Liisa Pekka Sari Ville Aino Eero Kaisa Jukka Helmi Oskari Emma Juho Tiina Antti Maria Timo Elina Mikko Sofia Heikki".split(),
         "en": "Anna Tom Mary Peter Emma Jack Lucy David Sarah Ben Alice Sam Nina Oliver Grace Leo Kate Henry Julia Mark Sophie Paul".split()}
# Finnish towns in the inessive or adessive, and English as they are.
TOWNS = {"fi": "Helsingissä Turussa Tampereella Oulussa Kuopiossa Lahdessa Porissa Vaasassa Rovaniemellä Joensuussa".split(),
         "en": "Helsinki Turku Tampere Oulu Kuopio London Dublin Boston Leeds Glasgow".split()}
FAMILY_NAMES = {"fi": "Virtanen Korhonen Nieminen Mäkinen Laine Heikkinen Koskinen Järvinen Lehtonen Saarinen Salminen Lahtinen".split(),
                "en": "Smith Brown Taylor Wilson Clark Walker Green Hill Cooper Ward Baker Parker".split()}
ANSWER_IN = {"fi": ("Vastaa englanniksi: {}", "Answer in English: {}", "{} Vastaa englanniksi.", "{} Please answer in English."),
             "en": ("Answer in Finnish: {}", "Vastaa suomeksi: {}", "{} Answer in Finnish, please.", "{} Vastaa suomeksi, kiitos.")}


def all_blocks():
    blocks = {language: list(question_blocks(f"qa-{language}.txt", "?", "=")) for language in LANGUAGES}
    both = [dict(zip(LANGUAGES, sides)) for sides in zip(question_blocks("facts.txt", "f?", "f="), question_blocks("facts.txt", "e?", "e="), strict=True)]
    for language in LANGUAGES:
        blocks[language] += [block[language] for block in both]
    return blocks, both


def questions_and_facts(w):
    blocks, both = all_blocks()
    for language in LANGUAGES:
        for questions, answers in blocks[language]:
            for question in questions:
                for answer in answers:
                    w.add(language, question, answer)
                for _ in range(9):
                    w.add(language, w.varied(language, question), w.pick(*answers))
        in_a_row(w, language, blocks[language])
    other_language(w, blocks, both)
    preferences(w, blocks, both)


def in_a_row(w, language, blocks):
    for _ in range(2500):
        turns = []
        for questions, answers in w.random.sample(blocks, w.pick(2, 2, 3)):
            turns += [w.varied(language, w.pick(*questions)), w.pick(*answers)]
        w.add(language, *turns)


def other_language(w, blocks, both):
    # The language of the last question decides.
    for _ in range(2000):
        turns = []
        for language in w.pick(("fi", "en"), ("en", "fi"), ("fi", "en", "fi"), ("en", "fi", "en")):
            questions, answers = w.pick(*blocks[language])
            turns += [w.varied(language, w.pick(*questions)), w.pick(*answers)]
        w.add(language, *turns)
    # The same again in the other language.
    again = {"fi": ("Sama suomeksi, kiitos.", "Entä suomeksi?", "Sano se suomeksi."), "en": ("The same in English, please.", "And in English?", "Say it in English.")}
    for block in both:
        for language in LANGUAGES:
            other = OTHER[language]
            questions, answers = block[language]
            i = w.random.randrange(len(answers))
            same = block[other][1][i % len(block[other][1])]
            w.add(other, w.pick(*questions), answers[i], w.pick(*again[other]), same)
            w.add(other, w.pick(*ANSWER_IN[language]).format(w.pick(*questions)), w.pick(*block[other][1]))


def preferences(w, blocks, both):
    for block in both:
        for language in LANGUAGES:
            questions, answers = block[language]
            for question in w.random.sample(questions, min(3, len(questions))):
                w.prefer(language, w.varied(language, question), w.pick(*answers), w.pick(*block[OTHER[language]][1]))
    for language in LANGUAGES:
        for questions, answers in blocks[language]:
            question, chosen = w.pick(*questions), w.pick(*answers)
            w.prefer(language, question, chosen, w.pick(*w.pick(*blocks[OTHER[language]])[1]))
            w.prefer(language, w.varied(language, question), chosen, w.pick(*w.pick(*blocks[language])[1]))
            w.prefer(language, question, chosen, " ".join([chosen] * 4))


def remembered(w):
    """What was said before is used."""
    for language in LANGUAGES:
        for name in NAMES[language]:
            introduced(w, language, name)
        for town in TOWNS[language]:
            said = {"fi": f"Asun {town}.", "en": f"I live in {town}."}[language]
            w.add(language, said, {"fi": f"Mukavaa, että asut {town}! Miten voin auttaa?", "en": f"Nice! What is life like in {town}?"}[language],
                  {"fi": "Missä asun?", "en": "Where do I live?"}[language], {"fi": f"Asut {town}.", "en": f"You live in {town}."}[language])
    for english, finnish, *forms in [row for row in table("words.tsv") if len(row) == 5][:20]:
        w.add("fi", f"Minulla on {finnish}.", f"Mukavaa! Millainen {finnish} sinulla on?")
        w.add("en", f"I have {'an' if english[0] in 'aeiou' else 'a'} {english}.", f"Nice! What is your {english} like?")


def unknown_people(w):
    """Who is not known is not made up."""
    for language in LANGUAGES:
        for first in NAMES[language]:
            for last in w.random.sample(FAMILY_NAMES[language], 4):
                name = f"{first} {last}"
                asked = {"fi": (f"Kuka on {name}?", f"Tiedätkö, kuka {name} on?", f"Milloin {name} syntyi?", f"Missä {name} asuu?", f"Kuinka vanha {name} on?", f"Mitä {name} tekee työkseen?"),
                         "en": (f"Who is {name}?", f"Do you know who {name} is?", f"When was {name} born?", f"Where does {name} live?", f"How old is {name}?", f"What does {name} do for a living?")}[language]
                told = {"fi": f"En tiedä, kuka {name} on, enkä halua arvata.", "en": f"I do not know who {name} is, and I do not want to guess."}[language]
                for question in w.random.sample(asked, 2):
                    w.add(language, question, told)
                w.prefer(language, w.pick(*asked[:2]), told, {"fi": f"{name} on suomalainen kirjailija.", "en": f"{name} is a British author."}[language])


def introduced(w, language, name):
    introductions = {"fi": (f"Nimeni on {name}.", f"Hei, olen {name}.", f"Moi! Minä olen {name}.", f"Minun nimeni on {name}.", f"Olen {name}.", f"Minua sanotaan nimellä {name}."),
                     "en": (f"My name is {name}.", f"Hi, I am {name}.", f"Hello! I'm {name}.", f"You can call me {name}.", f"I am {name}.", f"They call me {name}.")}[language]
    greeted = {"fi": (f"Hauska tutustua, {name}!", f"Hei {name}! Miten voin auttaa?"), "en": (f"Nice to meet you, {name}!", f"Hello {name}! How can I help you?")}[language]
    asked = {"fi": ("Mikä minun nimeni on?", "Muistatko nimeni?", "Mikä on nimeni?", "Kuka minä olen?"), "en": ("What is my name?", "Do you remember my name?", "Who am I?", "What am I called?")}[language]
    told = {"fi": (f"Nimesi on {name}.", f"Sinä olet {name}."), "en": (f"Your name is {name}.", f"You are {name}.")}[language]
    back = {"fi": ("Kuka sinä olet?", "Mikä sinun nimesi on?", "Entä sinun?", "Kuka sinä?"), "en": ("Who are you?", "What is your name?", "And you?", "And yours?")}[language]
    own = {"fi": f"Hauska tutustua, {name}! Minun nimeni on Poro mini, ja olen pieni kielimalli.", "en": f"Nice to meet you, {name}! My name is Poro mini."}[language]
    for introduction in introductions:
        w.add(language, introduction, w.pick(*greeted))
        w.add(language, introduction, w.pick(*greeted), w.pick(*asked), w.pick(*told))
        w.add(language, f"{introduction} {w.pick(*back)}", own)
