"""Principal: the one "who" that is passed everywhere."""

from dataclasses import dataclass, field
from typing import Literal

Scope = Literal["store", "read", "manage"]


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation, or one of its departments, in which a principal holds roles."""

    organization_id: int
    department_id: int | None = None  # None: the organisation with all its departments
    scopes: frozenset[Scope] = frozenset()


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, a site key, an AE title, a link holder or the system itself.

    `ident` is what the audit trail keeps: `user:12`, `key:4f2c…`, `link:91`, `system:worker`.
    `places` says where it may do what; `bound_to` narrows it to one opaque id (a transfer or a grant).
    """

    kind: Literal["user", "key", "ae", "link", "system"]
    ident: str
    places: tuple[Place, ...] = ()
    user_id: int | None = None
    bound_to: str = ""
    on_behalf_of: str = ""
    is_operator: bool = False
    time_zone: str = field(default="UTC", compare=False)

    def organizations(self, scope: Scope) -> frozenset[int]:
        """Ids of the organisations in which the principal holds the scope as a whole."""
        return frozenset(
            place.organization_id for place in self.places if scope in place.scopes and place.department_id is None
        )

    def departments(self, scope: Scope) -> frozenset[int]:
        """Ids of the departments in which the principal holds the scope only there."""
        return frozenset(
            place.department_id for place in self.places if scope in place.scopes and place.department_id is not None
        )

    def home(self, scope: Scope) -> Place | None:
        """The place an act under this scope is done for, when it is unambiguous."""
        candidates = [place for place in self.places if scope in place.scopes]
        return candidates[0] if candidates else None


def system(name: str) -> Principal:
    """The exchange acting by itself: `system:worker`, `system:relay`, `system:operator`."""
    return Principal(kind="system", ident=f"system:{name}", is_operator=True)
