"""What the needle and passkey tasks are made of: names of people and places, and facts with a blank for each."""

# ruff: noqa: SIM905 - one word after the other is easier to read and to add to

GIVEN_NAMES = """
Adele Amara Anton Basil Bianca Boris Carmen Cyril Dalia Dmitri Edith Emil Farah Felix Gemma Gustav Hanna Hugo Ingrid
Isaac Jana Jonas Karim Klara Leila Lukas Magda Marcel Nadia Nils Olga Oscar Paula Pavel Rania Rufus Selma Sven
Tamara Theo Ursula Viktor Wanda Xenia Yusuf Zora
""".split()

FAMILY_NAMES = """
Abbot Adler Berg Bianchi Castillo Cohen Dahl Dubois Eklund Esposito Farouk Fischer Garcia Grant Haddad Holm Ibrahim
Ivanov Jansen Joshi Kaya Kowalski Larsen Lopez Mbeki Moreau Nakamura Novak Okafor Olsen Park Petrov Quinn Rahman
Rossi Sato Silva Takahashi Torres Ueda Varga Vidal Weber Winter Yilmaz Young Zimmer
""".split()

PLACES = """
Aldermoor Birchwater Castelnova Dunmarsh Eastholm Farrowdale Greyhaven Highbarrow Ironvale Lowfield Marrowby
Northwick Oakhollow Pinecrest Quarryton Ravensfold Saltmere Thornbury
""".split()

# (fact, query): a person and a place name the fact; the number makes it one that cannot be known.
FACTS = (
    (
        "The observatory of {place} measured in {year} that the comet of {person} returns every {number} years.",
        "How often does the comet of {person} return?",
    ),
    (
        "{person} painted the ceiling of the town hall of {place} in {year} with {number} kilograms of blue pigment.",
        "How much blue pigment did {person} use for the ceiling of the town hall of {place}?",
    ),
    (
        "The bridge that {person} built in {place} in {year} rests on {number} arches of granite.",
        "On how many arches rests the bridge that {person} built in {place}?",
    ),
    (
        "{person} proved in {year}, while teaching geometry in {place}, that {number} spheres can touch one cube.",
        "How many spheres can touch one cube, as {person} proved?",
    ),
    (
        "The treaty of {place}, signed by {person} in {year}, freed {number} villages from the salt tax.",
        "How many villages did the treaty signed by {person} free from the salt tax?",
    ),
    (
        "{person} crossed the sea from {place} in {year} in a boat of reeds, which took {number} days.",
        "How many days did the crossing in a boat of reeds take {person}?",
    ),
    (
        "The beetle that {person} found near {place} in {year} has {number} spots and sings at night.",
        "How many spots has the beetle that {person} found near {place}?",
    ),
    (
        "For the festival of {place} in {year} {person} baked a loaf of bread that fed {number} guests.",
        "How many guests did the loaf of bread that {person} baked feed?",
    ),
    (
        "The opera that {person} wrote in {place} in {year} needs {number} harps on the stage.",
        "How many harps does the opera that {person} wrote need?",
    ),
    (
        "{person} planted {number} pear trees along the old railway of {place} in {year}.",
        "How many pear trees did {person} plant along the old railway of {place}?",
    ),
)
