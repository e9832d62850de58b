"""Where a request wants to be searched, in the words that all doors have for it: a collection, or
several documents at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

MOST = 100  # places at once
SAID = "search only this collection (a folder) or document, by its name"
SAID_OF_SEVERAL = "search only these documents, or collections, by their names"

Name = Annotated[str, StringConstraints(max_length=500)]
Collection = Annotated[Name | None, Field(description=SAID)]
Documents = Annotated[
    list[Name] | None,
    Field(max_length=MOST, description=SAID_OF_SEVERAL),
    BeforeValidator(lambda names: [names] if isinstance(names, str) else names),
]


def places(collection: str | None, documents: Sequence[str] | None) -> tuple[str, ...]:
    """All that were named, each once; none where everything is to be searched."""
    return tuple(dict.fromkeys(name for name in [collection, *(documents or ())] if name))
