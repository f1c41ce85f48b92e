"""The fields of what the API reads, with sentences of our own: what to send, never what the framework expected.

No sentence repeats the value: it may be a patient's.
"""

from datetime import datetime
from typing import Any, Final

from rest_framework import serializers

_EVERY: Final[dict[str, Any]] = {  # Any: texts, or what the framework translates into one
    "required": "This field is missing: give it.",
    "null": "Leave the field out, or give it a value other than null.",
}
_AT_MOST: Final = "Give at most {max_length} characters."
_WHOLE: Final = "Give a whole number, without quotes."
_MOMENT: Final = "Give date, time and zone, such as 2026-03-01T12:00:00Z."
_LIST: Final = 'Give a list: values in square brackets, such as ["one", "two"].'


class CharField(serializers.CharField):
    default_error_messages = _EVERY | {
        "invalid": "Give text, in quotes.",
        "blank": "Give some text: this field may not be empty.",
        "max_length": _AT_MOST,
    }


class EmailField(serializers.EmailField):
    default_error_messages = CharField.default_error_messages | {
        "invalid": "Give an e-mail address, such as jane.doe@example.org."
    }


class RegexField(serializers.RegexField):
    default_error_messages = CharField.default_error_messages


class UUIDField(serializers.UUIDField):
    default_error_messages = _EVERY | {
        "invalid": "Give the id of a transfer, such as 6cb8ca43-f8f2-49ad-8f4a-2fd20d8c8bd0."
    }


class IntegerField(serializers.IntegerField):
    default_error_messages = _EVERY | {
        "invalid": _WHOLE,
        "max_value": "Give at most {max_value}.",
        "min_value": "Give at least {min_value}.",
        "max_string_length": _WHOLE,
    }


class DateTimeField(serializers.DateTimeField):
    default_error_messages = _EVERY | {"invalid": _MOMENT, "date": _MOMENT, "make_aware": _MOMENT, "overflow": _MOMENT}

    def enforce_timezone(self, value: datetime) -> datetime:
        """A moment without a zone is another one for whoever reads it elsewhere."""
        if value.tzinfo is None:
            self.fail("invalid")
        return super().enforce_timezone(value)


class ListField(serializers.ListField):
    default_error_messages = _EVERY | {
        "not_a_list": _LIST,
        "empty": "Give at least one.",
        "min_length": "Give at least {min_length}.",
        "max_length": "Give at most {max_length} in one request.",
    }


class ChoiceField(serializers.ChoiceField):
    """One of a list, which a wrong value is answered with."""

    default_error_messages = {**_EVERY}

    def __init__(self, choices: Any, **options: Any) -> None:  # Any: as the framework takes them
        super().__init__(choices, **options)
        self.error_messages |= {"invalid_choice": _one_of(self), "blank": _one_of(self)}


class MultipleChoiceField(serializers.MultipleChoiceField):
    """Some of a list, which a wrong value is answered with."""

    default_error_messages = _EVERY | {"not_a_list": _LIST, "empty": "Give at least one."}

    def __init__(self, **options: Any) -> None:  # Any: as above
        super().__init__(**options)
        self.error_messages |= {"invalid_choice": _one_of(self), "empty": _one_of(self, "Give at least one of these")}


def _one_of(field: serializers.ChoiceField, say: str = "Give one of these") -> str:
    return f"{say}: {', '.join(map(str, field.choices))}."
