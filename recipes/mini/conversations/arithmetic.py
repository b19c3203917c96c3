"""Sums, differences and products in figures and words, in both languages. An answer begins with the sum itself."""

from writing import LANGUAGES, NUMBERS, table, upper_first

SIGNS = {"+": {"fi": "plus", "en": "plus"}, "-": {"fi": "miinus", "en": "minus"}, "*": {"fi": "kertaa", "en": "times"}}
ASKED = {"fi": ("Paljonko on {}?", "Mitä on {}?", "Laske {}.", "{}", "{} = ?", "Paljonko {} on?", "Kuinka paljon on {}?", "Mitä {} on?", "Osaatko laskea, paljonko on {}?",
                "Mikä on laskun {} tulos?", "Mikä on {}?", "Paljonko {} tekee?", "Laskisitko {}?", "Kerro, paljonko on {}.", "Mitä saadaan laskusta {}?"),
         "en": ("What is {}?", "How much is {}?", "Calculate {}.", "{}", "{} = ?", "Can you tell me what {} is?", "What does {} make?", "Work out {}.", "What's {}?",
                "Tell me what {} is.", "What is the result of {}?", "How much does {} make?", "Please calculate {}.", "Do you know what {} is?", "Solve {}.")}
# With the numbers themselves in place; the difference takes the second from the first.
BY_SIGN = {
    "+": {"fi": ("Laske yhteen {} ja {}.", "Mikä on lukujen {} ja {} summa?", "Paljonko on {} ja {} yhteensä?", "Lisää lukuun {} luku {}.", "Paljonko saadaan, kun lukuun {} lisätään {}?"),
          "en": ("Add {} and {}.", "What is the sum of {} and {}?", "What are {} and {} together?", "How much are {} and {}?", "What do {} and {} make when added?")},
    "-": {"fi": ("Vähennä luvusta {} luku {}.", "Paljonko jää, kun luvusta {} vähennetään {}?", "Mikä on lukujen {} ja {} erotus?", "Paljonko jää jäljelle, jos luvusta {} otetaan pois {}?"),
          "en": ("What is left of {} when you take away {}?", "What is the difference of {} and {}?", "Start with {} and take away {}. What is left?", "If you have {} and lose {}, how much is left?")},
    "*": {"fi": ("Mikä on lukujen {} ja {} tulo?", "Kerro luku {} luvulla {}.", "Paljonko saadaan, kun {} kerrotaan luvulla {}?"),
          "en": ("Multiply {} by {}.", "What is the product of {} and {}?", "What do you get when {} is multiplied by {}?", "How much is {} multiplied by {}?")}}
# Finnish names in the adessive ("Annalla on"), English as they are.
OWNERS = {"fi": "Annalla Liisalla Matilla Pekalla Villellä Kaisalla Eerolla Tiinalla Mikolla Sofialla".split(), "en": "Anna Tom Mary Peter Emma Jack Lucy Ben Alice Sam".split()}


def results():
    for a in range(0, 21):
        for b in range(0, 21):
            yield "+", a, b, a + b
            if b <= a:
                yield "-", a, b, a - b
            if a <= 10 and b <= 10:
                yield "*", a, b, a * b


def sums(w):
    for sign, a, b, value in results():
        answer = f"{a} {sign} {b} = {value}."
        for language in LANGUAGES:
            word = SIGNS[sign][language]
            for shown in w.random.sample((f"{a} {sign} {b}", f"{a}{sign}{b}", f"{a} {word} {b}", f"{a} {'x' if sign == '*' else sign} {b}"), 2):
                for question in w.random.sample(ASKED[language], 2):
                    w.add(language, w.varied(language, question.format(shown)) if w.random.random() < 0.2 else question.format(shown), answer)
            for question in w.random.sample(BY_SIGN[sign][language], 2):
                w.add(language, question.format(a, b), answer)
            in_words(w, language, word, a, b, value)
            if w.random.random() < 0.3:
                wrong = value + w.pick(*(step for step in (-2, -1, 1, 2, 10) if value + step >= 0))
                w.prefer(language, w.pick(*ASKED[language]).format(f"{a} {sign} {b}"), answer, f"{a} {sign} {b} = {wrong}.")
            if sign == "+" and w.random.random() < 0.3:
                c = w.random.randint(1, 9)
                follow = {"fi": f"Entä jos lisätään vielä {c}?", "en": f"And if you add {c} more?"}[language]
                w.add(language, w.pick(*ASKED[language]).format(f"{a} + {b}"), answer, follow, f"{value} + {c} = {value + c}.")
    stories(w)
    shares_and_neighbours(w)
    counting(w)


def in_words(w, language, word, a, b, value):
    if max(a, b, value) > 20:
        return
    n = NUMBERS[language]
    answer = upper_first(f"{n[a]} {word} {n[b]} {'on' if language == 'fi' else 'is'} {n[value]}.")
    for question in w.random.sample(ASKED[language], 2):
        w.add(language, upper_first(question.format(f"{n[a]} {word} {n[b]}")), answer)


def stories(w):
    """Small word problems. The Finnish partitive stands after every number but one, so ones are left out."""
    for partitive, plural in table("counted.tsv"):
        for _ in range(24):
            a, b = w.random.randint(2, 10), w.random.randint(2, 10)
            big, small = a + b, b
            fi, en = w.pick(*OWNERS["fi"]), w.pick(*OWNERS["en"])
            more = f"{a} + {b} = {a + b}."
            w.add("fi", w.pick(f"Minulla on {a} {partitive}. Saan {b} lisää. Montako {partitive} minulla on?", f"Minulla on {a} {partitive} ja saan vielä {b}. Montako minulla on yhteensä?",
                               f"Jos minulla on {a} {partitive} ja ostan {b} lisää, montako minulla on?"), f"{more} Sinulla on {a + b} {partitive}.")
            w.add("fi", f"{fi} on {a} {partitive}. Hän saa {b} lisää. Montako {partitive} hänellä on?", f"{more} Hänellä on {a + b} {partitive}.")
            w.add("fi", w.pick(f"Pöydällä on {a} {partitive} ja tuolilla {b}. Montako {partitive} on yhteensä?", f"Montako {partitive} on yhteensä, jos niitä on {a} ja {b}?"), f"{more} Yhteensä on {a + b} {partitive}.")
            w.add("en", w.pick(f"I have {a} {plural}. I get {b} more. How many {plural} do I have?", f"I have {a} {plural} and I am given {b} more. How many do I have in all?",
                               f"If I have {a} {plural} and buy {b} more, how many do I have?"), f"{more} You have {a + b} {plural}.")
            w.add("en", f"{en} has {a} {plural} and gets {b} more. How many {plural} does {en} have?", f"{more} {en} has {a + b} {plural}.")
            w.add("en", f"There are {a} {plural} on the table and {b} on the chair. How many {plural} are there?", f"{more} There are {a + b} {plural}.")
            less = f"{big} - {small} = {a}."
            w.add("fi", w.pick(f"Minulla on {big} {partitive}. Annan pois {small}. Montako {partitive} jää?", f"Jos minulla on {big} {partitive} ja annan {small} ystävälle, montako jää?"), f"{less} Sinulle jää {a} {partitive}.")
            w.add("fi", f"{fi} on {big} {partitive}. Hän antaa pois {small}. Montako {partitive} hänelle jää?", f"{less} Hänelle jää {a} {partitive}.")
            w.add("en", w.pick(f"I have {big} {plural}. I give away {small}. How many {plural} are left?", f"If I have {big} {plural} and give {small} to a friend, how many are left?"), f"{less} You have {a} {plural} left.")
            w.add("en", f"{en} has {big} {plural} and gives away {small}. How many {plural} are left?", f"{less} {en} has {a} {plural} left.")


def shares_and_neighbours(w):
    for a in range(2, 11):
        for b in range(2, 11):
            answer = f"{a * b} / {b} = {a}."
            for question in (f"Paljonko on {a * b} / {b}?", f"Laske {a * b} / {b}.", f"Jaa luku {a * b} luvulla {b}.", f"Paljonko on {a * b} jaettuna luvulla {b}?"):
                w.add("fi", question, answer)
            for question in (f"What is {a * b} / {b}?", f"What is {a * b} divided by {b}?", f"Divide {a * b} by {b}.", f"How much is {a * b} divided by {b}?"):
                w.add("en", question, answer)
    for n in range(1, 101):
        w.ask("fi", [f"Mikä luku tulee luvun {n} jälkeen?", f"Mikä on seuraava luku luvun {n} jälkeen?"], [f"Luvun {n} jälkeen tulee {n + 1}."])
        w.ask("en", [f"Which number comes after {n}?", f"What number follows {n}?"], [f"{n + 1} comes after {n}."])
        w.ask("en", [f"What is double {n}?"], [f"Double {n} is {2 * n}."])
        w.ask("fi", [f"Paljonko on kaksi kertaa {n}?"], [f"Kaksi kertaa {n} on {2 * n}."])
        for m in w.random.sample([m for m in range(1, 101) if m != n], 4):
            big, small = max(n, m), min(n, m)
            w.ask("fi", [w.pick(f"Kumpi on suurempi, {n} vai {m}?", f"Kumpi on isompi, {n} vai {m}?", f"Onko suurempi {n} vai {m}?", f"Kumpi luku on suurempi: {n} vai {m}?")], [f"{big} on suurempi kuin {small}."], 0)
            w.ask("en", [w.pick(f"Which is bigger, {n} or {m}?", f"Which is larger, {n} or {m}?", f"Which number is bigger, {n} or {m}?", f"What is more, {n} or {m}?")], [f"{big} is bigger than {small}."], 0)
            w.ask("fi", [w.pick(f"Kumpi on pienempi, {n} vai {m}?", f"Kumpi luku on pienempi, {n} vai {m}?")], [f"{small} on pienempi kuin {big}."], 0)
            w.ask("en", [w.pick(f"Which is smaller, {n} or {m}?", f"Which number is smaller, {n} or {m}?")], [f"{small} is smaller than {big}."], 0)
        w.add("fi", f"Onko {n} parillinen?", f"On, {n} on parillinen." if n % 2 == 0 else f"Ei, {n} on pariton.")
        w.add("en", f"Is {n} even or odd?", f"{n} is {'even' if n % 2 == 0 else 'odd'}.")


def counting(w):
    # "up to ten": the Finnish illative.
    illative = {3: "kolmeen", 4: "neljään", 5: "viiteen", 6: "kuuteen", 7: "seitsemään", 8: "kahdeksaan", 9: "yhdeksään", 10: "kymmeneen"}
    for n, form in illative.items():
        finnish, english = (upper_first(", ".join(NUMBERS[language][1:n + 1])) + "." for language in LANGUAGES)
        w.ask("fi", (f"Laske {form}.", f"Laske yhdestä {form}.", f"Osaatko laskea {form}?", f"Luettele numerot yhdestä {form}.", f"Sano luvut yhdestä {form}.", f"Mitkä ovat luvut yhdestä {form}?",
                     f"Laske 1–{n}."), [finnish], 2)
        w.ask("en", (f"Count to {NUMBERS['en'][n]}.", f"Count from one to {NUMBERS['en'][n]}.", f"Can you count to {n}?", f"Say the numbers from one to {NUMBERS['en'][n]}.",
                     f"What are the numbers from one to {NUMBERS['en'][n]}?", f"Count from 1 to {n}."), [english], 2)
