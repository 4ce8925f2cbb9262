"""The JSON of the API. Times are UTC milliseconds, texts come in both languages, a number that is none is null."""
