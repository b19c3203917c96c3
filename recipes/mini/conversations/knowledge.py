"""What the tables know: countries, things, animals, places, jobs, what follows what."""

from writing import NUMBERS, listed, table, upper_first


def capitals(w):
    rows = table("countries.tsv")
    for row in rows:
        other = w.pick(*[another for another in rows if another is not row])
        finnish_capital(w, row, other)
        english_capital(w, row, other)
        name, of_it, _, capital, country, city, *_ = row
        w.prefer("fi", f"Mikä on {of_it} pääkaupunki?", f"{of_it} pääkaupunki on {capital}.", f"{of_it} pääkaupunki on {other[3]}.")
        w.prefer("fi", f"Mikä on {of_it} pääkaupungin nimi?", f"{of_it} pääkaupunki on {capital}.", f"The capital of {country} is {city}.")
        w.prefer("en", f"What is the capital of {country}?", f"The capital of {country} is {city}.", f"The capital of {country} is {other[5]}.")
        w.prefer("en", f"What is the name of {country}'s capital?", f"The capital of {country} is {city}.", f"{of_it} pääkaupunki on {capital}.")


def finnish_capital(w, row, other):
    name, of_it, in_it, capital, _, _, _, continent, _ = row
    answer = f"{of_it} pääkaupunki on {capital}."
    asked = (f"Mikä on {of_it} pääkaupunki?", f"Mikä kaupunki on {of_it} pääkaupunki?", f"{of_it} pääkaupunki?", f"Mikä on {of_it} pääkaupungin nimi?", f"Kerro {of_it} pääkaupunki.",
             f"Mikä {of_it} pääkaupunki on?", f"Minkä niminen on {of_it} pääkaupunki?", f"Tiedätkö {of_it} pääkaupungin nimen?", f"Kerro {of_it} pääkaupungin nimi.", f"Nimeä {of_it} pääkaupunki.",
             f"Mikä kaupunki {of_it} pääkaupunki on?", f"Osaatko sanoa {of_it} pääkaupungin?")
    w.ask("fi", asked, [answer], 2)
    w.ask("fi", (f"Minkä maan pääkaupunki on {capital}?", f"Minkä maan pääkaupunki {capital} on?"), [f"{capital} on {of_it} pääkaupunki."])
    w.ask("fi", (f"Missä maassa on {capital}?", f"Missä maassa {capital} sijaitsee?", f"Missä {capital} on?"), [f"{capital} on {in_it}."])
    w.ask("fi", (f"Onko {capital} {in_it}?", f"Onko kaupunki {capital} {in_it}?"), [f"Kyllä, {capital} on {in_it}."], 0)
    w.ask("fi", (f"Onko {other[3]} {in_it}?", f"Sijaitseeko {other[3]} {in_it}?"), [f"Ei, {other[3]} on {other[2]}."], 0)
    w.add("fi", f"Onko {capital} {of_it} pääkaupunki?", f"Kyllä, {capital} on {of_it} pääkaupunki.")
    w.add("fi", f"Onko {other[3]} {of_it} pääkaupunki?", f"Ei, {of_it} pääkaupunki on {capital}.")
    w.add("fi", w.pick(*asked), answer, w.pick(f"Entä {other[1]}?", f"Entäs {other[1]}?"), f"{other[1]} pääkaupunki on {other[3]}.")
    verb = "ovat" if name.endswith("nit") else "on"
    w.ask("fi", (f"Missä maanosassa {name} {verb}?", f"Missä päin maailmaa {name} {verb}?", f"Missä {verb} {name}?"), [f"{name} {verb} {continent}."])


def english_capital(w, row, other):
    *_, country, city, adjective, _, continent = row
    answer = f"The capital of {country} is {city}."
    asked = (f"What is the capital of {country}?", f"Which city is the capital of {country}?", f"Capital of {country}?", f"What is the name of {country}'s capital?", f"What is the {adjective} capital called?",
             f"What is the {adjective} capital?", f"Which city is the {adjective} capital?", f"What is the capital city of {country}?", f"Tell me the capital of {country}.", f"Do you know the capital of {country}?",
             f"Name the capital city of {country}.", f"What is the name of the {adjective} capital?", f"What's the capital of {country}?")
    w.ask("en", asked, [answer], 2)
    w.ask("en", (f"Which country has {city} as its capital?", f"{city} is the capital of which country?"), [f"{city} is the capital of {country}."])
    w.ask("en", (f"In which country is {city}?", f"Where is {city}?", f"Which country is {city} in?"), [f"{city} is in {country}."])
    w.ask("en", (f"Is {city} in {country}?", f"Is {city} a city in {country}?"), [f"Yes, {city} is in {country}."], 0)
    w.ask("en", (f"Is {other[5]} in {country}?", f"Is {other[5]} a city in {country}?"), [f"No, {other[5]} is in {other[4]}."], 0)
    w.add("en", f"Is {city} the capital of {country}?", f"Yes, {city} is the capital of {country}.")
    w.add("en", f"Is {other[5]} the capital of {country}?", f"No, the capital of {country} is {city}.")
    w.add("en", w.pick(*asked), answer, w.pick(f"And of {other[4]}?", f"What about {other[4]}?"), f"The capital of {other[4]} is {other[5]}.")
    verb = "are" if country in ("the Philippines", "the Netherlands") else "is"
    w.ask("en", (f"On which continent is {country}?", f"Where in the world is {country}?", f"Where is {country}?"), [f"{upper_first(country)} {verb} in {continent}."])


def definitions(w):
    rows = table("definitions.tsv")
    for word, sentence, term, meaning in rows:
        plural = sentence.split()[1] == "ovat"
        on, means = ("ovat", "tarkoittavat") if plural else ("on", "tarkoittaa")
        asked = [f"{'Mitä' if plural else 'Mikä'} {on} {word}?", f"{'Mitä' if plural else 'Mikä'} {word} {on}?", f"Selitä sana {word}.", f"Mitä {means} {word}?", f"Mitä {word} {means}?",
                 f"Mitä tarkoittaa sana {word}?", f"Selitä lyhyesti, mitä {word} {means}.", f"Mitä sana {word} tarkoittaa?", f"Osaatko selittää, mitä {word} {means}?", f"Voisitko selittää sanan {word}?",
                 f"Haluaisin tietää, mitä {word} {means}.", f"Kuvaile, {'mitä' if plural else 'mikä'} {word} {on}."]
        w.ask("fi", asked, [sentence])
        bare = term.removeprefix("a ").removeprefix("an ")
        be = "are" if meaning.split()[1:2] == ["northern"] or " are " in meaning[:len(term) + 6] else "is"
        english = [f"What {be} {term}?", f"What does {bare} mean?", f"Explain what {term} {be}.", f"Tell me what {term} {be}.", f"Define {term}.", f"What does the word {bare} mean?",
                   f"Can you explain what {term} {be}?", f"I would like to know what {term} {be}.", f"What is the meaning of {bare}?", f"Describe what {term} {be}.", f"Explain the word {bare}.",
                   f"Do you know what {term} {be}?"]
        w.ask("en", english, [meaning])
        other = w.pick(*rows)
        w.add("fi", w.pick(*asked), sentence, f"Entä {other[0]}?", other[1])
        w.add("en", w.pick(*english), meaning, f"And {other[2]}?", other[3])
        w.add("en", w.pick(*english), meaning, w.pick("And in Finnish?", "Say it in Finnish."), sentence)
        w.add("fi", w.pick(*asked), sentence, w.pick("Sano sama englanniksi.", "Entä englanniksi?"), meaning)
        w.add("fi", w.pick(*asked), sentence, w.pick("Kiitos!", "Kiitos, ymmärsin.", "Selvä."), w.pick("Ole hyvä!", "Hyvä! Kysy lisää, jos haluat."))
        w.add("en", w.pick(*english), meaning, w.pick("Thanks!", "Thank you, I see.", "Okay."), w.pick("You are welcome!", "Good! Ask more if you like."))
        for question, language, right, wrong in ((w.pick(*asked), "fi", sentence, meaning), (w.pick(*english), "en", meaning, sentence), (w.pick(*asked), "fi", sentence, other[1]),
                                                 (w.pick(*english), "en", meaning, other[3]), (w.pick(*english), "en", meaning, " ".join([meaning] * 3)), (w.pick(*asked), "fi", sentence, " ".join([sentence] * 3))):
            w.prefer(language, question, right, wrong)


def animals(w):
    for fi, kind, on_it, legs, eats, lives, en, english_kind, english_legs, english_eats, english_lives in table("animals.tsv"):
        name, an = upper_first(fi), lambda thing: f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"
        w.ask("fi", (f"Montako jalkaa {on_it} on?", f"Kuinka monta jalkaa {on_it} on?"), [f"{upper_first(on_it)} on {legs} jalkaa."], 2)
        w.ask("fi", (f"Mitä {fi} syö?", f"Mitä {fi} syö ruoakseen?", f"Mikä on {on_it} ruokana?"), [f"{name} syö {eats}."], 2)
        w.ask("fi", (f"Missä {fi} elää?", f"Missä {fi} asuu?"), [f"{name} elää {lives}."], 2)
        w.ask("fi", (f"Mikä eläin on {fi}?", f"Minkälainen eläin {fi} on?", f"Millainen eläin {fi} on?"), [f"{name} on {kind}, joka elää {lives} ja syö {eats}."], 2)
        w.ask("fi", (f"Onko {fi} eläin?", f"Onko {fi} {kind}?"), [f"Kyllä, {fi} on {kind}."], 1)
        w.ask("en", (f"How many legs does {an(en)} have?", f"How many legs are there on {an(en)}?"), [f"{upper_first(an(en))} has {english_legs} legs."], 2)
        w.ask("en", (f"What does {an(en)} eat?", f"What do you feed {an(en)}?"), [f"{upper_first(an(en))} eats {english_eats}."], 2)
        w.ask("en", (f"Where does {an(en)} live?", f"In what place does {an(en)} live?"), [f"{upper_first(an(en))} lives {english_lives}."], 2)
        w.ask("en", (f"What animal is {an(en)}?", f"What sort of animal is {an(en)}?", f"Which kind of animal is {an(en)}?"), [f"{upper_first(an(en))} is {an(english_kind)} that lives {english_lives} and eats {english_eats}."], 2)
        w.ask("en", (f"Is {an(en)} an animal?", f"Is {an(en)} {an(english_kind)}?"), [f"Yes, {an(en)} is {an(english_kind)}."], 1)


def places_and_jobs(w):
    for name, inside, done, place, people in table("places.tsv"):
        answer = f"{upper_first(inside)} {done}."
        w.ask("fi", (f"Mitä {inside} tehdään?", f"Mitä {inside} voi tehdä?", f"Mitä ihmiset tekevät {inside}?", f"Mihin {name} on tarkoitettu?", f"Mitä tapahtuu {inside}?", f"Mitä varten {name} on?"), [answer], 3)
        english = f"In {place} people {people}."
        if place.split()[-1] in ("cottage", "beach", "station", "airport", "stadium"):
            english = f"At {place} people {people}."
        w.ask("en", (f"What do people do in {place}?", f"What can you do in {place}?", f"What is {place} for?", f"What is done in {place}?", f"Why do people go to {place}?", f"What does one do in {place}?"), [english], 3)
    for name, does, job, english in table("jobs.tsv"):
        w.ask("fi", (f"Mitä {name} tekee?", f"Mitä {name} tekee työkseen?", f"Mikä on {name}?", f"Mikä ammatti on {name}?", f"Kuka on {name}?"), [f"{upper_first(name)} {does}."], 2)
        w.ask("fi", (f"Kuka {does}?", f"Mikä ammatti on ihmisellä, joka {does}?"), [f"{upper_first(name)} {does}."], 1)
        w.ask("en", (f"What does {job} do?", f"What does {job} do for work?", f"What is {job}?", f"What is the job of {job}?", f"Who is {job}?"), [f"{upper_first(job)} {english}."], 2)
        w.ask("en", (f"Who {english}?", f"What do you call a person who {english}?"), [f"{upper_first(job)} {english}."], 1)
    for thing, colour, english_thing, english_colour in table("colours.tsv"):
        ending = "värinen" if not colour.endswith(("sta", "stä", "aa", "ää")) else "väristä"
        w.ask("fi", (f"Minkä {ending} {thing} on?", f"Mikä on väriltään {thing}?", f"Minkä {ending} on {thing}?"), [f"{upper_first(thing)} on {colour}."], 3)
        w.ask("en", (f"What colour is {english_thing}?", f"What color is {english_thing}?", f"Which colour is {english_thing}?"), [f"{upper_first(english_thing)} is {english_colour}."], 3)


def sequences(w):
    rows = table("sequences.tsv")
    which = {"päivä": "Mikä päivä", "kuukausi": "Mikä kuukausi", "vuodenaika": "Mikä vuodenaika"}
    for kind in which:
        row = [entry for entry in rows if entry[0] == kind]
        for i, (_, name, after, before, english_kind, english) in enumerate(row):
            following, previous = row[(i + 1) % len(row)], row[i - 1]
            w.ask("fi", (f"{which[kind]} tulee {after} jälkeen?", f"Mitä tulee {after} jälkeen?", f"{which[kind]} on {after} jälkeen?"), [f"{upper_first(after)} jälkeen tulee {following[1]}."], 3)
            w.ask("fi", (f"{which[kind]} on ennen {before}?", f"Mitä on ennen {before}?", f"{which[kind]} tulee ennen {before}?"), [f"Ennen {before} on {previous[1]}."], 3)
            w.ask("en", (f"Which {english_kind} comes after {english}?", f"What comes after {english}?", f"What {english_kind} follows {english}?"), [f"After {english} comes {following[5]}."], 3)
            w.ask("en", (f"Which {english_kind} comes before {english}?", f"What comes before {english}?", f"What {english_kind} is before {english}?"), [f"Before {english} comes {previous[5]}."], 3)
            if kind != "vuodenaika":
                ordinal = ("ensimmäinen toinen kolmas neljäs viides kuudes seitsemäs kahdeksas yhdeksäs kymmenes yhdestoista kahdestoista".split()[i],
                           "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()[i])
                of_what = ("vuoden", "the year") if kind == "kuukausi" else ("viikon", "the week")
                w.ask("fi", (f"Mikä on {of_what[0]} {ordinal[0]} {kind}?",), [f"{upper_first(of_what[0])} {ordinal[0]} {kind} on {name}."], 3)
                w.ask("en", (f"What is the {ordinal[1]} {english_kind} of {of_what[1]}?",), [f"The {ordinal[1]} {english_kind} of {of_what[1]} is {english}."], 3)


def lists(w):
    for partitive, plural, english, finnish_things, english_things in table("lists.tsv"):
        things = {"fi": finnish_things.split(","), "en": english_things.split(",")}
        for _ in range(20):
            n = w.random.randint(2, min(5, len(things["fi"])))
            number = w.pick(NUMBERS["fi"][n], str(n))
            chosen = w.random.sample(things["fi"], n)
            question = w.pick(f"Luettele {number} {partitive}.", f"Nimeä {number} {partitive}.", f"Kerro {number} {partitive}.", f"Anna {number} esimerkkiä: {plural}.", f"Mainitse {number} {partitive}.",
                              f"Voisitko luetella {number} {partitive}?", f"Osaatko nimetä {number} {partitive}?", f"Sano {number} {partitive}.", f"Luettelisitko {number} {partitive}?")
            w.add("fi", question, f"Tässä on {NUMBERS['fi'][n]} {partitive}: {listed('fi', chosen)}.")
            w.add("fi", f"Luettele {number} {partitive} luettelona.", "\n".join(f"- {upper_first(thing)}" for thing in chosen))
            w.add("fi", f"Luettele {number} {partitive} numeroituna.", "\n".join(f"{i}. {upper_first(thing)}" for i, thing in enumerate(chosen, 1)))
            number = w.pick(NUMBERS["en"][n], str(n))
            chosen = w.random.sample(things["en"], n)
            question = w.pick(f"Name {number} {english}.", f"List {number} {english}.", f"Give me {number} {english}.", f"Tell me {number} {english}.", f"Mention {number} {english}.",
                              f"Could you name {number} {english}?", f"Can you list {number} {english}?", f"Please list {number} {english}.", f"I need {number} {english}.")
            w.add("en", question, f"Here are {NUMBERS['en'][n]} {english}: {listed('en', chosen)}.")
            w.add("en", f"List {number} {english} as bullet points.", "\n".join(f"* {upper_first(thing)}" for thing in chosen))
            w.add("en", f"List {number} {english} in a numbered list.", "\n".join(f"{i}. {upper_first(thing)}" for i, thing in enumerate(chosen, 1)))
        some(w, partitive, plural, english, things)


def some(w, partitive, plural, english, things):
    for question in (f"Luettele {plural}.", f"Mitä {plural} tiedät?", f"Mitä {plural} on?", f"Nimeä joitakin {plural}.", f"Kerro esimerkkejä: {plural}.", f"Anna esimerkkejä: {plural}.", f"Mainitse muutamia {plural}."):
        for _ in range(2):
            chosen = w.random.sample(things["fi"], min(4, len(things["fi"])))
            w.add("fi", w.varied("fi", question), f"{upper_first(plural)} ovat esimerkiksi {listed('fi', chosen)}.")
    for question in (f"List some {english}.", f"Which {english} do you know?", f"What {english} are there?", f"Name some {english}.", f"Give some examples of {english}.", f"Give me examples of {english}.", f"Mention a few {english}."):
        for _ in range(2):
            w.add("en", w.varied("en", question), f"Some {english} are {listed('en', w.random.sample(things['en'], min(4, len(things['en']))))}.")
    finnish, other = (listed(language, w.random.sample(things[language], 3)) for language in ("fi", "en"))
    w.prefer("fi", f"Luettele kolme {partitive}.", f"Tässä on kolme {partitive}: {finnish}.", f"Here are three {english}: {other}.")
    w.prefer("en", f"List three {english}.", f"Here are three {english}: {other}.", f"Tässä on kolme {partitive}: {finnish}.")
