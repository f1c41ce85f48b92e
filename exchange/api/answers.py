"""What the API writes: explicit fields, read from the frozen answers of the phases."""

from typing import Any, Final

from django.conf import settings
from rest_framework import serializers

from transfers.addressing.views import DeliveryView, TransferView
from transfers.rules import purposes

PROGRESS: Final = ("none", "opened", "partly pulled", "pulled", "proven")


# A docstring of a body is its description in OpenAPI, so this has none to inherit.
class Answer(serializers.Serializer[Any]):
    pass


class Party(Answer):
    kind = serializers.ChoiceField(choices=["organization", "department", "user", "email"])
    name = serializers.CharField()
    address = serializers.CharField()
    phone = serializers.CharField()


class Pulled(Answer):
    """How much was answered, in instances and documents."""

    pulled = serializers.IntegerField(help_text="Instances answered whole, to the last byte.")
    viewed = serializers.IntegerField(help_text="Instances of which frames, pictures or headers were answered.")
    of = serializers.IntegerField()
    documents_pulled = serializers.IntegerField()
    documents_of = serializers.IntegerField()
    sentence = serializers.CharField(help_text="Such as: 598 of 600 pulled.")


class Delivery(Answer):
    id = serializers.IntegerField()
    recipient = Party()
    access = serializers.ChoiceField(choices=["waiting", "open", "declined", "revoked"], help_text="What was granted.")
    access_now = serializers.ChoiceField(
        choices=["waiting", "open", "declined", "revoked", "ended"],
        help_text="What that is worth by now: it has ended where the transfer is over.",
    )
    notice = serializers.ChoiceField(choices=["pending", "sent", "bounced", "failed"])
    progress = serializers.ChoiceField(choices=PROGRESS)
    pulled = Pulled()
    opened_at = serializers.DateTimeField(allow_null=True)
    pulled_at = serializers.DateTimeField(allow_null=True)
    proven_at = serializers.DateTimeField(allow_null=True)
    proven_by = serializers.CharField()
    declined_at = serializers.DateTimeField(allow_null=True)
    decline_reason = serializers.CharField()
    is_link_locked = serializers.BooleanField()


class Finding(Answer):
    code = serializers.CharField()
    grade = serializers.ChoiceField(choices=["stop", "check", "note"])
    text = serializers.CharField()
    count = serializers.IntegerField()
    sop_instance_uid = serializers.CharField()
    may_be_released = serializers.BooleanField()
    released_at = serializers.DateTimeField(allow_null=True)
    released_by = serializers.CharField()
    release_note = serializers.CharField()


class Document(Answer):
    id = serializers.IntegerField()
    media_type = serializers.CharField()
    status = serializers.ChoiceField(choices=["preliminary", "final", "amended"])
    title = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    study_instance_uid = serializers.CharField()
    replaces = serializers.IntegerField(allow_null=True)
    received_at = serializers.DateTimeField()


class Study(Answer):
    study_instance_uid = serializers.CharField()
    series = serializers.IntegerField(source="series_count")
    instances = serializers.IntegerField(source="instance_count")


class TimelineEntry(Answer):
    at = serializers.DateTimeField()
    action = serializers.CharField()
    by = serializers.CharField(help_text="Empty for a recipient.")
    agent = serializers.CharField()
    detail = serializers.DictField()


class Transfer(Answer):
    id = serializers.UUIDField()
    reference = serializers.CharField(help_text="What people say on the phone.")
    role = serializers.ChoiceField(choices=["sender", "recipient"])
    state = serializers.ChoiceField(
        choices=["draft", "receiving", "validating", "held", "rejected", "available", "closed", "purged"]
    )
    reason = serializers.CharField(help_text="Why it is held or closed.")
    revision = serializers.IntegerField(help_text="Also the ETag, for If-Match.")
    sender = Party()
    purpose = serializers.ChoiceField(
        choices=purposes.described(), allow_blank=True, help_text="Empty where none was named."
    )
    urgency = serializers.ChoiceField(choices=["routine", "urgent"])
    content = serializers.ChoiceField(choices=["complete", "subset", "key images"])
    message = serializers.CharField()
    declared_instances = serializers.IntegerField(allow_null=True)
    instances = serializers.IntegerField(source="instance_count")
    bytes = serializers.IntegerField(source="byte_count")
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    available_at = serializers.DateTimeField(allow_null=True)
    available_until = serializers.DateTimeField(
        help_text="When it closes; of one that was closed before its time, when it was."
    )
    purge_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    follows = serializers.UUIDField(allow_null=True, help_text="The transfer to which this one is a follow-up.")
    follows_reference = serializers.CharField(help_text="Its reference; empty where it follows none.")
    followers = serializers.ListField(child=serializers.UUIDField())
    dicomweb_url = serializers.CharField(help_text="Base of its QIDO-RS, WADO-RS and STOW-RS.")
    studies = Study(many=True)
    documents = Document(many=True)
    findings = Finding(many=True)
    deliveries = Delivery(many=True, help_text="A recipient sees its own alone.")
    timeline = TimelineEntry(many=True)


class Pin(Answer):
    delivery = serializers.IntegerField(source="delivery_id")
    email = serializers.CharField()
    pin = serializers.CharField(help_text="Say it by phone. It is shown once and kept as a hash.")


class TransferWithPins(Transfer):
    """A transfer, and the PINs of the links that this request made."""

    pins = Pin(many=True)


class Own(Answer):
    access = serializers.CharField()
    access_now = serializers.CharField()
    progress = serializers.CharField()
    pulled = serializers.IntegerField(source="counts.pulled")


class Summary(Answer):
    id = serializers.UUIDField()
    reference = serializers.CharField()
    role = serializers.ChoiceField(choices=["sender", "recipient"])
    state = serializers.CharField()
    reason = serializers.CharField()
    sender_address = serializers.CharField()
    sender_name = serializers.CharField()
    purpose = serializers.ChoiceField(
        choices=purposes.described(), allow_blank=True, help_text="Empty where none was named."
    )
    urgency = serializers.CharField()
    instances = serializers.IntegerField(source="instance_count")
    recipients = serializers.IntegerField(source="recipient_count")
    own = Own(allow_null=True)
    created_at = serializers.DateTimeField()
    available_at = serializers.DateTimeField(allow_null=True)
    available_until = serializers.DateTimeField()
    state_changed_at = serializers.DateTimeField()


class TransferPage(Answer):
    results = Summary(many=True)
    next = serializers.CharField(allow_null=True, help_text="The URL of the next page, null at the end.")


class Attached(Answer):
    id = serializers.IntegerField()
    transfer = serializers.UUIDField(help_text="The transfer it belongs to: a follow-up if this one is available.")
    sha256 = serializers.CharField()
    size = serializers.IntegerField()
    is_new = serializers.BooleanField(help_text="False where the same document was there already.")


class Place(Answer):
    kind = serializers.ChoiceField(choices=["organization", "department"])
    address = serializers.CharField(help_text="What goes into `recipients` and into a push URL.")
    name = serializers.CharField()
    phone = serializers.CharField()


class Places(Answer):
    results = Place(many=True)


class Key(Answer):
    id = serializers.CharField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    organization = serializers.CharField()
    department = serializers.CharField(allow_null=True)
    transfer = serializers.CharField(allow_null=True)
    is_personal = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class Keys(Answer):
    results = Key(many=True)


class NewKey(Key):
    key = serializers.CharField(help_text="The secret: shown now and never again.")


class Disclosure(Answer):
    transfer = serializers.UUIDField(source="transfer_id")
    reference = serializers.CharField()
    recipient = serializers.CharField(
        help_text="organization:, department: or user: with a number; email: with a keyed hash, for the address of a "
        "reader by link is not kept. Search with `email` to know whether it is one you know."
    )
    recipient_name = serializers.CharField()
    sent_at = serializers.DateTimeField(allow_null=True)
    first_pulled_at = serializers.DateTimeField(allow_null=True)
    progress = serializers.ChoiceField(choices=PROGRESS)
    pulled = serializers.IntegerField(source="pulled_instances", help_text="Instances answered whole.")
    of = serializers.IntegerField(source="instance_count")
    closed_at = serializers.DateTimeField(allow_null=True, help_text="Null while the transfer still lives.")


class Disclosures(Answer):
    results = Disclosure(many=True)


class ProblemField(Answer):
    field = serializers.CharField()
    detail = serializers.CharField()


class Problem(Answer):
    """What went wrong and what to do about it (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    # The framework takes declared fields off the class, so its own property of this name stays what it is.
    errors = ProblemField(many=True, required=False)  # type: ignore[assignment]


def transfer_of(view: TransferView) -> dict[str, Any]:  # Any: the fields of Transfer
    """A transfer with what is computed for its reader: the counts in words, and where it is pulled from."""
    names = (
        name for name in map(str, Transfer().fields) if name not in ("deliveries", "dicomweb_url", "instances", "bytes")
    )
    fields = {name: getattr(view, name) for name in names}
    return {
        **fields,
        "instance_count": view.instance_count,
        "byte_count": view.byte_count,
        "dicomweb_url": f"{settings.PUBLIC_URL}/dicomweb/transfers/{view.id}",
        "deliveries": [_delivery_of(one, view) for one in view.deliveries],
    }


def _delivery_of(one: DeliveryView, view: TransferView) -> dict[str, Any]:  # Any: the fields of Delivery
    fields = {name: getattr(one, name) for name in map(str, Delivery().fields) if name != "pulled"}
    counts = one.counts
    pulled = {
        "pulled": counts.pulled,
        "viewed": counts.viewed,
        "of": view.instance_count,
        "documents_pulled": counts.documents_pulled,
        "documents_of": len(view.documents),
        "sentence": _sentence(one, view),
    }
    return {**fields, "pulled": pulled}


def _sentence(one: DeliveryView, view: TransferView) -> str:
    """`598 of 600 pulled` of images alone; `3 of 3 images and 0 of 1 document pulled` with documents."""
    if not view.documents:
        return f"{one.counts.pulled} of {view.instance_count} pulled"
    parts = [
        f"{got} of {of} {word if of == 1 else word + 's'}"
        for got, of, word in (
            (one.counts.pulled, view.instance_count, "image"),
            (one.counts.documents_pulled, len(view.documents), "document"),
        )
        if of
    ]
    return f"{' and '.join(parts)} pulled"
