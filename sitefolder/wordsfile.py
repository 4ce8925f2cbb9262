"""library/words.toml: the labels of roles, certificates and promises, in one table."""

from sitefolder.strict import Id, PointName, Strict, Words


class WordsFile(Strict):
    """Each id that plans, people and contracts may use, with its label."""

    roles: dict[Id, Words]
    party_roles: dict[Id, Words]
    certificates: dict[Id, Words]
    promises: dict[PointName, Words]
    channels: dict[Id, Words]
