"""people.toml: who works here, what they may do, how they are reached; and the parties outside."""

from datetime import date

from pydantic import Field

from facility.person import Certificate, Channel, Party, Person
from sitefolder.strict import Filled, Id, Strict, Words


class ChannelTable(Strict):
    """One way to reach somebody."""

    kind: Id
    address: Filled

    def channel(self) -> Channel:
        """Return it in the language of the facility."""
        return Channel(self.kind, self.address)


class CertificateTable(Strict):
    """A licence; without `until` it does not expire."""

    kind: Id
    number: Filled
    until: date | None = None

    def certificate(self) -> Certificate:
        """Return it in the language of the facility."""
        return Certificate(self.kind, self.number, self.until)


class PersonTable(Strict):
    """[[person]]: somebody who can be on duty."""

    id: Id
    name: Filled
    roles: list[Id] = Field(min_length=1)
    phone: str = ""
    standby: bool = False
    channels: list[ChannelTable] = Field(default_factory=list)
    certificates: list[CertificateTable] = Field(default_factory=list)

    def person(self) -> Person:
        """Return it in the language of the facility."""
        return Person(
            id=self.id,
            name=self.name,
            roles=tuple(self.roles),
            channels=tuple(channel.channel() for channel in self.channels),
            phone=self.phone,
            certificates=tuple(certificate.certificate() for certificate in self.certificates),
            standby=self.standby,
        )


class PartyTable(Strict):
    """[[party]]: a contractor or utility with a number that answers day and night."""

    id: Id
    name: Words
    roles: list[Id] = Field(min_length=1)
    phone: Filled
    deputy: Id | None = None
    channels: list[ChannelTable] = Field(default_factory=list)

    def party(self) -> Party:
        """Return it in the language of the facility."""
        return Party(
            id=self.id,
            name=self.name.text(),
            roles=tuple(self.roles),
            channels=tuple(channel.channel() for channel in self.channels),
            phone=self.phone,
            deputy=self.deputy or "",
        )


class PeopleFile(Strict):
    """The whole of people.toml; read entry by entry, modelled here for the schema."""

    person: list[PersonTable] = Field(default_factory=list)
    party: list[PartyTable] = Field(default_factory=list)
