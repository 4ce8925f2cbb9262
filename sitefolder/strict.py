"""What every model of a file is made of: nothing unknown, nothing coerced, every text in both languages."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from facility.text import Text

Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=48)]
"""Lower-case ASCII with digits, hyphen and underscore: it stands in addresses, file names and topics."""
PointName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=48)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Strict(BaseModel):
    """A table of a file: an unknown key is an error, a wrong type too."""

    # Built when first used: half of the models only exist for the JSON Schema, and the service starts within 2 s.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Words(Strict):
    """One meaning, written as { zh = "…", en = "…" }."""

    zh: Filled
    en: Filled

    def text(self) -> Text:
        """Return it in the language of the facility."""
        return Text(self.zh, self.en)
