"""The forms of a transfer's page, without script: what each needs, and what is said where that is missing."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.principals import Principal
from exchange.portal import words
from transfers import access, addressing, errors
from transfers.rules.purposes import Purpose

MAX_TEXT: Final = 4000
# So many wrong recipients are named; whoever pasted a whole table sees that it was one.
_NAMED: Final = 5
_LONGEST_NAME: Final = 60


class Form(forms.Form):
    """What a browser sends for one act; `sentence` says what it still needs."""

    sentence = ""

    def __init__(self, data: Any, who: Principal) -> None:  # Any: what a browser sends
        super().__init__(data)
        self.who = who

    @property
    def problem(self) -> str:
        """What it still needs, for the person who sent it."""
        return self.sentence or "Something is missing."

    @property
    def wrong(self) -> str:
        """The first field that needs another look."""
        return next((name for name in self.fields if name in self.errors), "")


class Nothing(Form):
    pass


class Reason(Form):
    sentence = "Say why, so that the sender knows what to do."
    reason = forms.CharField(max_length=MAX_TEXT)


class Note(Form):
    sentence = "Say why it may go to the recipients all the same."
    note = forms.CharField(max_length=MAX_TEXT)


class Sure(Form):
    sentence = "Tick the box to say that you are sure."
    sure = forms.BooleanField()


class HaveIt(Form):
    sentence = "Tick the box to say that you have all of it, or leave the receipt unconfirmed."
    sure = forms.BooleanField()


class OneLink(Form):
    sentence = "Choose the reader who is to get the new link."
    delivery = forms.IntegerField(min_value=1)


class OneRecipient(Form):
    sentence = "Choose the recipient who is to be taken off."
    delivery = forms.IntegerField(min_value=1)


class OneDelivery(Form):
    sentence = "Choose a recipient, and tick the box to say that you are sure."
    delivery = forms.IntegerField(min_value=1)
    sure = forms.BooleanField()


class LastDay(Form):
    sentence = "Give the last day on which it is to be open, such as 2027-01-31."
    until = forms.DateField(input_formats=["%Y-%m-%d"])

    def clean_until(self) -> date | None:
        """A day that exists in every zone; whether it is too near or too far is for the phase to say."""
        day: date | None = self.cleaned_data["until"]
        if day is not None and not 2000 <= day.year < 3000:
            raise ValidationError("")
        return day


class Send(LastDay):
    until = forms.DateField(input_formats=["%Y-%m-%d"], required=False)
    partner = forms.MultipleChoiceField(required=False)
    recipients = forms.CharField(required=False, max_length=MAX_TEXT)
    purpose = forms.ChoiceField(required=False, choices=[("", ""), *((p, words.PURPOSES[p]) for p in Purpose)])
    urgency = forms.ChoiceField(choices=[("routine", "Routine"), ("urgent", "Urgent")])
    message = forms.CharField(required=False, max_length=MAX_TEXT)

    def __init__(self, data: Any, who: Principal) -> None:  # Any: what a browser sends
        super().__init__(data, who)
        # Which addresses there are is asked where they are resolved; a text with NUL is none and cannot be asked for.
        partner: Any = self.fields["partner"]  # Any: typed as a field of no choices
        partner.choices = [(name, name) for name in data.getlist("partner")[:100] if "\0" not in name]
        self._unknown: list[str] = []

    @property
    def problem(self) -> str:
        if self._unknown:
            return _unknown(self._unknown)
        return {
            "until": LastDay.sentence,
            "recipients": f"The recipients or the message are too long: {MAX_TEXT} characters are the most.",
            "message": f"The recipients or the message are too long: {MAX_TEXT} characters are the most.",
        }.get(self.wrong, "Choose among what the page offers.")

    def clean_partner(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["partner"]
        return self._known(chosen)

    def clean_recipients(self) -> list[str]:
        """Addresses and e-mail addresses, however people put them apart."""
        return self._known(_split(self.cleaned_data["recipients"]))

    def _known(self, names: list[str]) -> list[str]:
        """Names that lead to somebody; those that do not are told together, or one would be mended at a time.

        Only so many are looked up as a transfer may have: more of them the phase refuses.
        """
        looked_up = list(dict.fromkeys(names))[: addressing.MAX_RECIPIENTS]
        self._unknown += (unknown := [name for name in looked_up if not self._is_known(name)])
        if unknown:
            raise ValidationError("")
        return names

    def _is_known(self, name: str) -> bool:
        try:
            if "@" in name:
                validate_email(name)
            else:
                access.resolve_recipient(self.who, address=name.lower())
        except (ValidationError, errors.NotFound):
            return False
        except errors.ExchangeError:
            return True  # there, but not for this sender: the phase says why
        return True


def _split(text: str) -> list[str]:
    """Names from lines, commas and semicolons; of `Jane Doe <jane@example.org>` what is between the brackets."""
    lines = text.replace(",", "\n").replace(";", "\n").splitlines()
    return [name for line in lines for name in _names(line)]


def _names(line: str) -> Iterable[str]:
    before, opened, rest = line.partition("<")
    return [rest.rstrip().removesuffix(">").strip()] if opened and "@" in rest and "@" not in before else line.split()


def _unknown(names: list[str]) -> str:
    shown = [f"“{name[:_LONGEST_NAME]}”" for name in names[:_NAMED]]
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    listed = [*shown, *more]
    are = "is" if len(names) == 1 else "are"
    joined = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
    return f"{joined} {are} no address of the directory and no e-mail address. Mend or remove what is wrong."
