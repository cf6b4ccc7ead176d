"""What the wizard asks and says, for its page: marked here, translated where it is shown."""

from __future__ import annotations

from typing import Final, NamedTuple

from switchman.webui.looks.marked import N_


class Choice(NamedTuple):
    """One answer that may be given."""

    value: str
    name: str
    words: str


STEPS: Final = (N_("What for"), N_("Servers and models"), N_("Budget"), N_("What counts most"), N_("Review"))
USES: Final = (
    Choice("chat", N_("Chat"), N_("Questions and conversations: all that nothing else is for.")),
    Choice("coding", N_("Coding"), N_("Questions about code, and coding agents with their tools.")),
    Choice("long", N_("Long documents"), N_("Prompts of many pages, which need a long context.")),
    Choice("pictures", N_("Pictures"), N_("Prompts with pictures in them, for models that see.")),
    Choice("translation", N_("Translation"), N_("From one language to another.")),
    Choice(
        "background", N_("Background tasks"), N_("Titles, summaries and the like, which programs ask for by the way.")
    ),
)
SPENDING: Final = (
    Choice("unlimited", N_("No limit"), N_("Models are chosen by what counts most, at any price.")),
    Choice(
        "monthly", N_("So much a month"), N_("All requests together; models of your own answer once it is used up.")
    ),
    Choice("cheapest", N_("The cheapest first"), N_("For each use the cheapest model that can do it.")),
    Choice("own", N_("Nothing"), N_("Only servers of your own, which cost nothing by the token.")),
)
PRIORITIES: Final = (
    Choice("quality", N_("Quality"), N_("The strongest model answers, and a small one what is easy.")),
    Choice("price", N_("Price"), N_("The cheapest model that can do it answers.")),
    Choice("speed", N_("Speed"), N_("Small models answer, and a middling one what is about code.")),
    Choice("privacy", N_("Privacy"), N_("Nothing leaves the house: no provider's server is asked anything.")),
)
HOWS: Final = (
    Choice("beside", N_("Keep them"), N_("The new rules come behind those that are there, under names of their own.")),
    Choice(
        "replace", N_("Replace them"), N_("Aliases, routes, the default and servers that you do not choose give way.")
    ),
)
NOTES: Final = {
    "pictures": N_("No chosen model is known to see pictures, so there is no rule for them."),
    "left_out": N_("%(name)s is left out, as nothing is to leave the house."),
    "no_key": N_("No rule leads to %(name)s, as the router has no key for it. Clients can still name its models."),
    "no_rule": N_("No rule leads to %(name)s: others suit each use better. Clients can still name its models."),
    "no_price": N_(
        "No price of %(name)s is known, so a budget in dollars refuses requests for it: write its price under models, "
        "or choose another model."
    ),
}
REASONS: Final = {
    "no_model": N_("Choose at least one server, and a model of it."),
    "no_own": N_("Nothing is to leave the house, and no server of your own is chosen."),
}
# Prompts that the review shows the way of: a question, one about code, and one for something else that was chosen.
SAMPLES: Final = {
    "chat": N_("What is a good name for a grey cat?"),
    "coding": N_("Write a Python function that parses a CSV file, with unit tests."),
    "translation": N_("Translate into French: the meeting is moved to Thursday."),
    "background": N_("Write a short title for this conversation: how do I repot a fern?"),
    "long": N_("Which of these clauses contradict each other?"),
}
