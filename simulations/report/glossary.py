"""What every number on the page means, how to read it, and what it does not say."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One entry of the glossary."""

    word: str
    means: str
    read: str
    limits: str


GLOSSARY: tuple[Term, ...] = (
    Term(
        word="Cold user",
        means="Somebody whose whole listening history was hidden from training, drawn at random.",
        read="They stand for a person on the day they sign up.",
        limits="Real newcomers may differ from people who stayed long enough to have a history.",
    ),
    Term(
        word="Recall in the first k",
        means="Of everything a person really plays, the share that is among the k items shown.",
        read="25 % in the first 50: one in four of their own items is on that list.",
        limits="It counts what they already play, so a good new discovery counts as a miss. It "
        "cannot reach 100 % when somebody plays more than k items.",
    ),
    Term(
        word="nDCG, hit rate, weighted recall",
        means="nDCG gives more credit to hits near the top. The hit rate is the share of people "
        "with at least one hit. Weighted recall counts each item by how much it is played.",
        read="They should move the same way as recall; when one does not, look closer.",
        limits="Averages over people hide who gains and who loses; see the groups below.",
    ),
    Term(
        word="Coverage, novelty, Gini",
        means="Coverage is the share of the catalogue that anybody is shown. Novelty is how rare "
        "the shown items are, in bits: one bit more is half as popular. Gini says how unequally "
        "items are shown, from 0 (equally) to 1 (a few take all).",
        read="The popularity list has the lowest coverage and novelty there can be.",
        limits="More is not better by itself: random lists win all three.",
    ),
    Term(
        word="95 % interval",
        means="The range of results if other people of the same kind had been drawn.",
        read="When the interval of a difference leaves out zero, chance is a poor explanation.",
        limits="It knows the chance of who was drawn, not of training again, nor whether this "
        "data set resembles yours.",
    ),
    Term(
        word="Lift",
        means="How much more one system finds than another for the same people, relative to the "
        "other: +60 % turns 15 hits into 24.",
        read="Look at its lower end before its middle.",
        limits="It is measured on past plays, not in a live test; listening time may move less.",
    ),
    Term(
        word="Retained lift",
        means="Of the gain that pooling all data in one place would bring over the platform's own "
        "features, the share that the federation keeps.",
        read="80 %: protection and splitting cost a fifth of the possible gain.",
        limits="It is left out when pooling itself brings no clear gain. Above 100 % the pooled "
        "system was not the better model: it is one way to use all data, not the best one.",
    ),
    Term(
        word="Users mixed up",
        means="The same training with every partner's features given to the wrong people.",
        read="It must do no better than the popularity list, or than the platform's own features "
        "where these help. If it does, something leaks and no other number on this page can be "
        "trusted.",
        limits="Passing it does not prove that everything else is right.",
    ),
    Term(
        word="Platform, partner, coordinator",
        means="The platform (or item party) has the items and the listening and wants to "
        "recommend. Each partner knows other things of the same people and keeps them. The "
        "coordinator passes messages on and adds up what it cannot read.",
        read="A partner \u201calone\u201d is the platform with that one partner.",
        limits="Here all of them ran on one machine; companies would run one each.",
    ),
    Term(
        word="Embedding, gradient",
        means="An embedding is a row of numbers into which a party turns what it knows of a "
        "person. A gradient says how those numbers should change for better recommendations.",
        read="Partners send embeddings; what comes back to them, if anything, is a gradient.",
        limits="Neither is harmless: what a person is like, and what they played, can be worked "
        "out from them. That is why they are encrypted and added up.",
    ),
    Term(
        word="Alignment, forward, backward, serving",
        means="Alignment finds the people that the platform and a partner both know. Forward is "
        "embeddings going to the platform, backward what returns to partners while training. "
        "Serving is the last round, in which every person's embedding is made for use.",
        read="Alignment is done once and serving at every refresh; training sends the most.",
        limits="Bytes and times are those of this machine without a network between parties.",
    ),
    Term(
        word="Profile",
        means="How the run was protected. strict: sums under encryption both ways. frozen: one "
        "encrypted sum, nothing comes back. plain: no protection, for comparison.",
        read="Compare two profiles only on the same data and seeds.",
        limits="Protection during training says nothing of what recommended songs give away.",
    ),
    Term(
        word="Epsilon (\u03b5)",
        means="A bound on how much one person's presence can change what a partner receives.",
        read="Smaller is safer. \u201cNot yet accounted\u201d means that nobody has computed it: "
        "take it as unbounded.",
        limits="It says nothing of the summed embedding that the item party sees by design.",
    ),
)
