"""Reference numbers that people can say on the phone: `7K3M-92QD`.

Forty random bits in Crockford's alphabet, which leaves out what is misheard or misread (I, L, O, U).
"""

import secrets
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 8
_HEARD = str.maketrans("ILO", "110")


def new() -> str:
    """A fresh reference; uniqueness is the database's, so whoever inserts one tries again on a collision."""
    return _grouped("".join(secrets.choice(ALPHABET) for _ in range(_LENGTH)))


def normalise(text: str) -> str | None:
    """The reference behind what somebody typed or heard, or None where it is none."""
    letters = "".join(text.upper().replace("-", "").split()).translate(_HEARD)
    if len(letters) != _LENGTH or not set(letters) <= set(ALPHABET):
        return None
    return _grouped(letters)


def _grouped(letters: str) -> str:
    return f"{letters[:4]}-{letters[4:]}"
