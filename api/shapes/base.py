"""What every shape is, and a text in both languages."""

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """One JSON object that leaves; its field names are the contract with the console."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, ser_json_inf_nan="null")


class Words(Shape):
    """A sentence in both languages."""

    zh: str
    en: str
