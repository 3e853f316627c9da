"""Between Python's values and those of records."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable, Mapping
from typing import Any

from ._ffi import Conflict, ConflictSide, EventPart, FieldValue, NewEvent, RecordEdit, StoredRecord

Date = datetime.date | str


class Unchanged(enum.Enum):
    """Of a change: the field is left as it is."""

    UNCHANGED = "unchanged"


def text_of(value: Any) -> str:
    """What a person would have written."""
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M")
    if isinstance(value, datetime.date):
        return value.isoformat()[:10]
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def lowered(value: Any) -> FieldValue:
    """A value for a save."""
    if isinstance(value, FieldValue):
        return value
    if value is None:
        return FieldValue.EMPTY()
    if isinstance(value, bool):
        return FieldValue.FLAG(value=value)
    if isinstance(value, int):
        return FieldValue.NUMBER(value=value)
    if isinstance(value, bytes):
        return FieldValue.BYTES(value=value)
    if isinstance(value, Iterable) and not isinstance(value, (str, enum.Enum)):
        return FieldValue.ELEMENTS(values=[text_of(element) for element in value])
    return FieldValue.TEXT(value=text_of(value))


def value_of(value: FieldValue | None) -> Any:
    """A record's value as Python's own: `None`, `str`, `int`, `bool`, `list`, `datetime`, `bytes`; what cannot be read stays as it is."""
    if value is None or value.is_EMPTY():
        return None
    if value.is_REFERENCE():
        return value.id
    if value.is_ELEMENTS():
        return value.values
    if value.is_INSTANT():
        return value.at
    if value.is_SEALED() or value.is_UNKNOWN():
        return value
    return value.value


def happened(kind: str, /, **parts: Any) -> NewEvent:
    """Something that happened to a record that is being made."""
    said = {name: text_of(part) for name, part in parts.items() if part is not None}
    return NewEvent(kind=kind, parts=[EventPart(name=name, text=text) for name, text in said.items()])


def created(record_type: str, id: str | None, fields: Mapping[str, Any], events: Iterable[NewEvent | str] = ()) -> RecordEdit:
    """A new record of any type. Fields that are `None` are left out."""
    said = {name: lowered(value) for name, value in fields.items() if value is not None and value != ()}
    with_kinds = [happened(one) if isinstance(one, str) else one for one in events]
    return RecordEdit.CREATE(record_type=record_type, id=id, fields=said, events=with_kinds)


def changed(record_type: str, id: str, fields: Mapping[str, Any], sets: Iterable[str] = ()) -> RecordEdit:
    """Changes of a record of any type: `None` clears a field; of the fields named in `sets`, `add_` and `remove_` say what."""
    said = {name: value for name, value in fields.items() if value is not Unchanged.UNCHANGED}
    removed = {}
    for name in sets:
        added, taken = said.pop(f"add_{name}", ()), said.pop(f"remove_{name}", ())
        if added:
            said[name] = added
        if taken:
            removed[name] = [text_of(element) for element in taken]
    lower = {name: lowered(value) for name, value in said.items()}
    return RecordEdit.CHANGE(record_type=record_type, id=id, fields=lower, removed=removed)


def event(record_type: str, id: str, kind: str, /, **parts: Any) -> RecordEdit:
    """Something that happened to a record, e.g. `event("activity", id, "submit")`."""
    return RecordEdit.EVENT(record_type=record_type, id=id, event=happened(kind, **parts))


def decided(record: StoredRecord, conflict: Conflict, side: ConflictSide) -> RecordEdit:
    """The decision that this side of a conflict is to stand."""
    return RecordEdit.DECIDE(
        record_type=record.record_type, id=record.id, field=conflict.field, change=side.origin.change
    )


class Reader:
    """Reads a stored record by its fields."""

    record_type: str

    def __init__(self, stored: StoredRecord):
        if stored.record_type != self.record_type:
            raise TypeError(f"a {stored.record_type} is no {self.record_type}")
        self.stored = stored

    def __repr__(self) -> str:
        # A record's fields are personal; what is printed ends in logs.
        return f"<{type(self).__name__} {self.stored.id}>"

    @property
    def id(self) -> str:
        """The id."""
        return self.stored.id

    def __getitem__(self, name: str) -> Any:
        return value_of(self.stored.fields.get(name))

    def _text(self, name: str) -> str | None:
        value = self[name]
        return value if isinstance(value, str) else None

    _reference = _text

    def _number(self, name: str) -> int | None:
        value = self[name]
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def _flag(self, name: str) -> bool | None:
        value = self[name]
        return value if isinstance(value, bool) else None

    def _bytes(self, name: str) -> bytes | None:
        value = self[name]
        return value if isinstance(value, bytes) else None

    def _date(self, name: str) -> datetime.date | None:
        value = self._text(name)
        return None if value is None else datetime.date.fromisoformat(value)

    def _time(self, name: str) -> datetime.time | None:
        value = self._text(name)
        return None if value is None else datetime.time.fromisoformat(value)

    def _elements(self, name: str) -> list[str]:
        value = self[name]
        return value if isinstance(value, list) else []

    def _choice(self, name: str, choices: type[enum.Enum]) -> Any:
        value = self._text(name)
        return value if value is None else _known(value, choices)

    def _choices(self, name: str, choices: type[enum.Enum]) -> list:
        return [_known(element, choices) for element in self._elements(name)]


def _known(code: str, choices: type[enum.Enum]) -> Any:
    """The choice with this code; the code itself where a newer version wrote one that this one does not know."""
    try:
        return choices(code)
    except ValueError:
        return code
