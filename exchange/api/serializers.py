"""What the API reads: explicit fields, unknown ones refused by name."""

import re
from typing import Any, Final

from django.core.exceptions import ValidationError as InvalidEmail
from django.core.validators import validate_email
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from exchange.api import fields
from transfers import errors
from transfers.rules import purposes

ADDRESS: Final = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})?")
# A message is a note beside the images, not a document.
MAX_TEXT: Final = 4000
_NO_RECIPIENT: Final = "Give an address such as general-hospital or general-hospital.radiology, or an e-mail address."
UID: Final = r"^[0-9.]{1,64}$"
# About what fits into a body of 256 KiB; a longer list is declared in several.
MAX_UIDS: Final = 5000


# A docstring of a body is its description in OpenAPI, so this has none to inherit.
class Strict(serializers.Serializer[Any]):
    default_error_messages = {
        "invalid": 'Send a JSON object: names with their values in braces, such as {{"name": "value"}}.',
        "required": "This field is missing: give it.",
    }

    # A body with a field we do not know is refused: a misspelt one would silently do nothing.
    def to_internal_value(self, data: Any) -> Any:  # Any: JSON
        if isinstance(data, dict) and (unknown := set(data) - set(self.fields)):
            known = ", ".join(self.fields) or "none"
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), f"Unknown field. Known here: {known}."))
        return super().to_internal_value(data)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "description": "An address of the directory, or an e-mail address."},
            {"type": "object", "properties": {"address": {"type": "string"}}, "required": ["address"]},
            {"type": "object", "properties": {"email": {"type": "string"}}, "required": ["email"]},
        ],
        "example": "general-hospital.radiology",
    }
)
class RecipientField(serializers.Field[Any, Any, Any, Any]):
    """A recipient as text, or as an object with `address` or `email`."""

    default_error_messages = {"null": _NO_RECIPIENT}

    def to_internal_value(self, data: Any) -> str:  # Any: JSON
        name = self._named(data).strip().lower()
        if "@" in name:
            try:
                validate_email(name)
            except InvalidEmail:
                raise serializers.ValidationError("This is not an e-mail address.") from None
        elif not ADDRESS.fullmatch(name):
            raise serializers.ValidationError(_NO_RECIPIENT)
        return name

    def to_representation(self, value: Any) -> Any:  # Any: never written
        return value

    def _named(self, data: Any) -> str:  # Any: JSON
        if isinstance(data, dict) and len(data) == 1:
            ((kind, data),) = data.items()
            if kind not in ("address", "email") or not isinstance(data, str) or (kind == "email") != ("@" in data):
                data = None
        if not isinstance(data, str):
            raise serializers.ValidationError('Give text, or an object such as {"address": "general-hospital"}.')
        return data


class Recipients(fields.ListField):
    child = RecipientField()

    def __init__(self, **options: Any) -> None:  # Any: options of the field
        super().__init__(max_length=50, **options)


class PurposeField(fields.ChoiceField):
    """Why it is sent, from a closed list, since it stays readable after the transfer is destroyed."""

    def __init__(self, **options: Any) -> None:  # Any: options of the field
        super().__init__(choices=purposes.described(), **options)

    def to_internal_value(self, data: Any) -> str:  # Any: JSON
        if not isinstance(data, str):
            self.fail("invalid_choice", input="")
        try:
            return purposes.check(data)
        except errors.InvalidField as error:
            raise serializers.ValidationError(error.sentence) from None


class Uids(fields.ListField):
    """SOP Instance UIDs (PS3.5 Section 9)."""

    child = fields.RegexField(
        r"^[0-9]+(\.[0-9]+)*$", max_length=64, error_messages={"invalid": "A UID is numbers with dots between them."}
    )

    def __init__(self, **options: Any) -> None:  # Any: options of the field
        super().__init__(min_length=1, max_length=MAX_UIDS, **options)


class CreateTransfer(Strict):
    """A new draft."""

    recipients = Recipients(required=False, help_text="Whom it goes to; may be added until it is sent.")
    purpose = PurposeField(required=False)
    urgency = fields.ChoiceField(choices=["routine", "urgent"], required=False)
    message = fields.CharField(required=False, allow_blank=True, max_length=MAX_TEXT)
    until = fields.DateTimeField(required=False, help_text="How long it can be pulled; default by policy.")
    grace_days = fields.IntegerField(
        required=False, min_value=0, max_value=180, help_text="Days between its end and its destruction."
    )
    content = fields.ChoiceField(choices=["complete", "subset", "key images"], required=False)
    declared_instances = fields.IntegerField(
        required=False, min_value=1, max_value=10_000_000, help_text="How many instances will come in all."
    )
    declared_sop_instance_uids = Uids(
        required=False, help_text="Which instances will come, instead of how many; `declare` adds to them."
    )
    follows = fields.UUIDField(required=False, help_text="The transfer to which this one is a follow-up.")


class ChangeTransfer(Strict):
    """Changes to a draft; a field left out stays as it is."""

    recipients = Recipients(required=False, help_text="Recipients to add.")
    purpose = PurposeField(required=False, allow_blank=True)
    urgency = fields.ChoiceField(choices=["routine", "urgent"], required=False)
    message = fields.CharField(required=False, allow_blank=True, max_length=MAX_TEXT)
    declared_instances = fields.IntegerField(required=False, min_value=1, max_value=10_000_000)


class Nothing(Strict):
    """No field."""


class DeclareInstances(Strict):
    sop_instance_uids = Uids(help_text="Added to what was declared; each counts once.")


class SendTransfer(Strict):
    recipients = Recipients(required=False, help_text="Recipients to add before it is sent.")


class ReleaseTransfer(Strict):
    note = fields.CharField(max_length=MAX_TEXT, help_text="Why it may go all the same.")


class MoveEnd(Strict):
    until = fields.DateTimeField()


class RevokeDelivery(Strict):
    delivery = fields.IntegerField(min_value=1, help_text="The number of the delivery, from the transfer.")


class RenewLink(Strict):
    delivery = fields.IntegerField(min_value=1, help_text="The number of the delivery, from the transfer.")


class DeclineTransfer(Strict):
    reason = fields.CharField(max_length=MAX_TEXT, help_text="What the sender is told.")


class SearchDisclosures(Strict):
    """Identifiers come in a body, for a query string ends up in logs."""

    patient_id = fields.CharField(max_length=64)
    issuer = fields.CharField(required=False, allow_blank=True, default="", max_length=200)
    accession = fields.CharField(required=False, allow_blank=True, default="", max_length=64)
    email = fields.EmailField(
        required=False, allow_blank=True, default="", help_text="Only what went to the reader with this address."
    )


class CreateKey(Strict):
    name = fields.CharField(max_length=100, help_text="What the key is for.")
    scopes = fields.MultipleChoiceField(choices=["store", "read", "manage"], allow_empty=False)
    organization = fields.CharField(required=False, help_text="Its address; needed if you belong to several.")
    department = fields.CharField(required=False, help_text="The short name of a department it is limited to.")
    transfer = fields.UUIDField(required=False, help_text="The only transfer it opens.")
    days = fields.IntegerField(required=False, min_value=1, max_value=365, help_text="Default 365.")


class SearchDirectory(Strict):
    q = fields.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=100,
        help_text="Part of a name or an address; empty for all.",
    )


class ListTransfers(Strict):
    """Filters of the list."""

    direction = fields.ChoiceField(choices=["sent", "received"], required=False)
    state = fields.ChoiceField(
        choices=["draft", "receiving", "validating", "held", "rejected", "available", "closed", "purged"],
        required=False,
    )
    since = fields.DateTimeField(required=False, help_text="Only those whose state changed at or after it.")
    cursor = fields.CharField(required=False, max_length=200, help_text="From `next` of the page before.")
    limit = fields.IntegerField(required=False, min_value=1, max_value=200)
