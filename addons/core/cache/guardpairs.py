"""Pairs of words that the guards keep apart, or treat as equal, when they compare two texts (guards.py).

guardwords.py has the words by which a single text is read. As there, each entry that makes two words equal is a risk.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> list[str]:
    return text.split()


# Words one slip of the keyboard apart: neither is a typo of the other.
CONFUSABLE: Final = frozenset(
    frozenset(pair.split("/"))
    for pair in _words(
        """
        there/three tires/tries tiers/tires unite/untie carves/craves fiend/fined salve/slave barely/barley
        corps/crops trots/torts lines/liens pairs/paris field/filed exist/exits boost/boots contact/contract
        contacts/contracts processor/professor processors/professors throughout/throughput reactor/refactor
        except/excerpt median/medina summaries/summarizes possibly/possible immediate/intermediate
        causal/casual trial/trail united/untied angel/angle diary/dairy marital/martial calvary/cavalry
        sacred/scared quiet/quite parental/prenatal nuclear/unclear complaint/compliant silver/sliver
        perfect/prefect preserve/perverse reserve/reverse signed/singed tired/tried board/broad split/spilt
        brain/brian maria/mario liam/lima desert/dessert later/latter diner/dinner super/supper holly/holy
        coma/comma county/country though/through trough/through thorough/through thought/through
        thought/though bother/brother friend/fiend planet/plane human/humane rational/rationale moral/morale
        symmetric/asymmetric immigrate/emigrate discreet/discrete contest/context content/context
        content/contest investing/infesting conversion/conversation exiting/exciting imitate/intimate
        internment/interment coarse/course course/curse patient/patent metal/mental medal/metal mortal/moral
        neural/neutral carton/cartoon collage/college personal/personnel simulate/stimulate
        simulation/stimulation stimulant/simulant ethernet/ethereal prescription/proscription
        inspection/insertion relational/rational relative/relativ import/impart exporter/exported
        stationary/stationery complement/compliment device/devise advice/advise affect/effect adapt/adopt
        breath/breathe cloth/clothe bath/bathe lose/loose chose/choose born/borne wander/wonder
        interstate/intrastate intramural/intermural macro/micro aesthetic/ascetic austria/australia
        iran/iraq niger/nigeria slovakia/slovenia guinea/guiana martin/martian united/unite message/massage
        hyper/hypo react/redact inactive/interactive preform/perform proportion/portion reactor/redactor
        crated/created creator/crater cation/caution station/stain inferred/infrared filing/filling
        tiling/tilling addition/edition carrier/career marine/martine barber/barbier posse/possess
        recent/resent formerly/formally allusion/illusion eminent/imminent ensure/insure illicit/elicit
        council/counsel principal/principle statue/statute stature/statue celery/salary alley/ally
        tracked/tacked charted/chartered saving/shaving stared/started starling/startling staring/starting
        planning/planing strip/stripe string/sting producer/produce serious/series various/virus
        barring/baring hopping/hoping resign/reign resin/resign insult/insulate insulation/insolation
        inflated/inflamed abortion/absorption absorption/adsorption disease/decease polish/publish
        english/engish spanish/spinach thai/thigh altitude/aptitude compiles/complies snprintf/sprintf
        hashable/hashtable macro/marco johnson/johnston netlink/nextlink compact/compat factions/fractions
        collect/collet present/preset overlay/overly restart/restat bought/brought garage/garbage
        mount/amount module/modulo locked/lockered action/faction police/policy person/pearson
        oneline/online tempdir/tmpdir mkstemp/mktemp campaign/champaign
        canon/cannon ordinance/ordnance prostate/prostrate tortuous/torturous immortal/immoral adverse/averse
        climactic/climatic compete/complete revere/reverse lightening/lightning reality/realty
        infarction/infraction altercation/alteration unaware/unware
        """
    )
)

# Words that mean the same in any ask; for the relaxed guard only.
SYNONYMS: Final = {
    word: group.split(" ")[0]
    for group in (
        "best greatest finest top",
        "way method manner",
        "begin start commence",
        "buy purchase",
        "big large",
        "movie film",
        "photo picture photograph image",
        "quick fast rapid",
        "quickly fast rapidly",
        "fix repair",
        "get obtain",
        "make create",
        "kid child",
        "job career",
        "car automobile",
        "phone smartphone",
        "use utilize employ",
        "used utilized employed",
        "get obtain acquire",
        "help assist",
        "need require",
        "choose select pick",
        "improve enhance",
        "difference distinction",
        "main primary principal",
        "important significant",
        "earn make",
        "program programme",
        "usa us america",
        "uk britain",
        "formerly previously",
        "later afterwards",
        "about regarding concerning",
        "via through",
        "during throughout",
        "complete finish",
        "pair couple",
        "example instance",
        "info information",
        "app application",
        "ad advertisement",
        "exam examination",
        "several various",
        "also too",
        "located situated",
        "near nearby",
        "explain describe",
    )
    for word in group.split(" ")
}

# Words without a meaning of their own where all others are equal; for the relaxed guard only.
LIGHT: Final = frozenset(
    _words(
        """
        do does of that which there very also own
        """
    )
)

# Plurals that are another word than the singular, or another amount.
PLURALS_APART: Final = frozenset(
    _words(
        """
        news means arts customs glasses forces goods arms spirits manners looks works brains grounds minutes odds
        savings stocks terms troops wits dozens hundreds thousands millions billions
        """
    )
)

# Words that begin a question about a kind of thing.
ASKING: Final = frozenset({*_words("what which where who why when is are do does can should how to"), "how to"})
