"""The words that the semantic cache's guards treat specially. All other words are compared letter by letter.

Each entry says that two ways of writing mean the same in any ask. So each is a risk: two asks that it makes equal get
one answer. Leave a doubtful entry out: a miss costs a request, a wrong hit costs trust.
"""

from __future__ import annotations

from typing import Final


def _lines(text: str) -> tuple[tuple[str, ...], ...]:
    """One phrase a line, longest first, as words."""
    return tuple(sorted((tuple(line.split()) for line in text.strip().splitlines()), key=len, reverse=True))


def by_first(phrases: tuple[tuple[str, ...], ...]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The phrases by the word they begin with, longest first."""
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for phrase in phrases:
        found[phrase[0]] = (*found.get(phrase[0], ()), phrase)
    return found


def by_last(phrases: tuple[tuple[str, ...], ...]) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The phrases by the word they end with, longest first."""
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for phrase in phrases:
        found[phrase[-1]] = (*found.get(phrase[-1], ()), phrase)
    return found


def _words(text: str) -> list[str]:
    return text.split()


def _pairs(text: str) -> dict[str, str]:
    """`from=to` words; `+` in `to` is a space."""
    return {left: right.replace("+", " ") for left, right in (pair.split("=") for pair in text.split())}


# Courtesies before an ask.
OPENERS: Final = by_first(
    _lines(
        """
    please
    pls
    plz
    kindly
    hi
    hello
    hey
    hi there
    hello there
    hey there
    good morning
    good afternoon
    good evening
    excuse me
    can you
    can you please
    can you kindly
    can you help me
    could you
    could you please
    could you kindly
    could you help me
    could you possibly
    would you please
    would you kindly
    will you please
    please can you
    please could you
    i want you to
    i need you to
    i would like you to
    i would like to know
    i want to know
    i was wondering
    may i know
    can i know
    can you tell me
    could you tell me
    please tell me
    tell me
    help me
    help me to
    please help me
    quick question
    ok
    okay
    so
    well
    um
    dear assistant
    """
    )
)
# Courtesies after an ask.
CLOSERS: Final = by_last(
    _lines(
        """
    please
    pls
    plz
    thanks
    thank you
    thx
    ty
    cheers
    thanks a lot
    thanks so much
    thanks very much
    thanks in advance
    thanks again
    thank you so much
    thank you very much
    thank you in advance
    thank you kindly
    many thanks
    much appreciated
    i appreciate it
    for me please
    would you
    could you
    will you
    """
    )
)

CONTRACTED: Final = _pairs(
    """
    what's=what+is who's=who+is where's=where+is when's=when+is why's=why+is how's=how+is that's=that+is
    there's=there+is here's=here+is it's=it+is he's=he+is she's=she+is let's=let+us i'm=i+am can't=can+not
    cannot=can+not won't=will+not shan't=shall+not ain't=is+not y'all=you+all whats=what+is whos=who+is
    wheres=where+is hows=how+is thats=that+is theres=there+is im=i+am dont=do+not doesnt=does+not didnt=did+not
    isnt=is+not arent=are+not wasnt=was+not werent=were+not cant=can+not couldnt=could+not shouldnt=should+not
    wouldnt=would+not hasnt=has+not havent=have+not ive=i+have youre=you+are theyre=they+are gonna=going+to
    wanna=want+to gotta=got+to gimme=give+me lemme=let+me dunno=do+not+know
    """
)
ENDINGS: Final = _pairs("n't=not 're=are 've=have 'll=will 'd=would 'm=am")

# One word written in two ways, by country, habit or common mistake.
SPELLINGS: Final = _pairs(
    """
    colour=color colours=colors favourite=favorite favourites=favorites flavour=flavor behaviour=behavior
    neighbour=neighbor neighbours=neighbors honour=honor labour=labor humour=humor centre=center theatre=theater
    metre=meter metres=meters litre=liter litres=liters kilometre=kilometer kilometres=kilometers catalogue=catalog
    dialogue=dialog analyse=analyze organise=organize organisation=organization realise=realize recognise=recognize
    summarise=summarize optimise=optimize minimise=minimize maximise=maximize categorise=categorize
    apologise=apologize travelling=traveling traveller=traveler cancelled=canceled modelling=modeling
    labelled=labeled jewellery=jewelry programme=program grey=gray tyre=tire tyres=tires defence=defense
    offence=offense licence=license cheque=check aluminium=aluminum mum=mom maths=math ageing=aging enrol=enroll
    fulfil=fulfill skilful=skillful sceptical=skeptical e-mail=email okay=ok versus=vs tv=television u=you ur=your
    thru=through tho=though cuz=because bcoz=because definately=definitely definitly=definitely seperate=separate
    recieve=receive occured=occurred untill=until wich=which teh=the adn=and becuase=because beleive=believe
    calender=calendar collegue=colleague comming=coming embarass=embarrass enviroment=environment
    existance=existence foriegn=foreign goverment=government grammer=grammar guarentee=guarantee harrass=harass
    independant=independent knowlege=knowledge libary=library neccessary=necessary necessery=necessary
    noticable=noticeable posession=possession prefered=preferred privilige=privilege publically=publicly
    recomend=recommend reccomend=recommend refered=referred relevent=relevant succesful=successful suprise=surprise
    tommorow=tomorrow tommorrow=tomorrow truely=truly wierd=weird writting=writing begining=beginning
    buisness=business acheive=achieve adress=address diffrence=difference diffrent=different langauge=language
    programing=programming algorythm=algorithm databse=database fucntion=function pyhton=python javscript=javascript
    hte=the taht=that waht=what hwo=how yuo=you thier=their alot=lot excercise=exercise restaraunt=restaurant
    restuarant=restaurant vaccum=vacuum speach=speech wether=whether explane=explain explian=explain
    exaplain=explain
    """
)

# Words that add nothing to an ask.
FILLERS: Final = frozenset({"a", "an", "the"})
# Words that add nothing either, unless the ask is about them.
ADVERBS: Final = frozenset(_words("actually literally basically indeed honestly really currently"))
# Words that do not end an ask: thanks or a sign that follow are what the ask is about.
UNENDED: Final = frozenset(
    _words(
        """
        a an the of with to in on at by for from as like and or than about is are was does do did not that between
        say says said saying mean means meaning spell spells define translate pronounce rhyme rhymes write writes
        answer reply respond read reads use uses called word words phrase symbol operator sign character letter
        """
    )
)
# Those of them that may end a longer ask: what does a baker do.
ENDING: Final = frozenset(_words("do does did is are was not mean words letter character read use"))
# Tasks on the very words that follow a colon, their courtesies included.
WORD_FOR_WORD: Final = frozenset(
    _words(
        """
        translate translation say spell pronounce proofread correct rewrite rephrase paraphrase repeat reply respond
        answer transcribe read type
        """
    )
)
GREETINGS: Final = frozenset(_words("hi hello hey please kindly pls plz okay ok well so good excuse"))
# Where one of these follows a greeting, the ask is about the greeting.
ABOUT_A_WORD: Final = frozenset(_words("in means mean vs versus or and as of rhymes comes"))
# Acronyms and names that are common words when written small, each with the words before and after it that show the
# name; `#`: a number; `Aa`: one capital is enough, as in May.
HOMOGRAPHS: Final = {
    word: (frozenset(before.split()), frozenset(after.split()))
    for word, before, after in (
        ("us", "the a first last current former every", "president dollar dollars government army citizen citizens"),
        ("it", "", "department support"),
        ("who", "the", ""),
        ("aids", "hiv", ""),
        ("led", "an", "light lights lamp lamps bulb bulbs strip strips"),
        ("pin", "", "code number"),
        ("sat", "", "score scores exam test"),
        ("act", "", "score scores"),
        ("cat", "", ""),
        ("pet", "", "bottle bottles scan"),
        ("gap", "", ""),
        ("ad", "", ""),
        ("ram", "gb of mb more", ""),
        ("polish", "in to from into", "Aa translation language"),
        ("may", "in since until by on of this next last before after early late during through from between", "Aa #"),
        ("march", "in since until by on of this next last before after early late during through from", "Aa #"),
        ("rust", "in using with into learn of 用 成 学", "Aa 写 语"),
        ("go", "in using with into of 用 成 学", "Aa 写 语"),
        ("swift", "in using with into learn of 用 成 学", "Aa 写 语"),
    )
}
# Words after which a single letter is a name: vitamin A.
ALWAYS_LETTERED: Final = frozenset({"vitamin", "hepatitis"})
LETTERED: Final = frozenset(
    _words(
        """
        vitamin hepatitis plan type grade class group option part series level point section schedule title model
        influenza note serie appendix exhibit figure item step team player variable set column row block vector matrix
        and or between from to vs letter
        """
    )
)

NUMBERS: Final = {
    word: value
    for value, word in enumerate(
        _words(
            """
            zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
            seventeen eighteen nineteen
            """
        )
    )
} | {
    word: value * 10
    for value, word in enumerate(_words("twenty thirty forty fifty sixty seventy eighty ninety"), start=2)
}
MULTIPLES: Final = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
ORDINALS: Final = {
    word: f"{value}{'st' if value == 1 else 'nd' if value == 2 else 'rd' if value == 3 else 'th'}"
    for value, word in enumerate(
        _words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"), start=1
    )
}

NUMBER_WORDS: Final = frozenset(NUMBERS) | frozenset(MULTIPLES) | frozenset(ORDINALS)

# Openings that ask how a thing is done; all mean the same.
HOW: Final = _lines(
    """
    how to
    how do i
    how can i
    how does 1
    how can 1
    how do 1
    """
)
