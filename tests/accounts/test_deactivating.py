"""To close an account ends what was opened with it, at once and for good."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from accounts import authentication, credentials, deactivating
from accounts.authentication import InvalidCredentials
from accounts.models import AccessToken, AuditEvent, User
from accounts.principals import system
from tests import factories
from tests.actors import Cast, make_cast
from transfers.models import Grant

OPERATOR = system("operator")


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def alice(cast: Cast) -> User:
    assert cast.alice.user is not None
    return cast.alice.user


def issue(cast: Cast, owner: User | None) -> credentials.IssuedKey:
    return credentials.issue_key(cast.st_elsewhere, name="script", scopes=["store"], owner=owner)


def make_link(cast: Cast, principal: str) -> Grant:
    transfer = factories.make_transfer(cast.st_elsewhere, principal=principal)
    delivery = factories.make_delivery(transfer, email_hash=bytes(32))
    return Grant.objects.create(delivery=delivery, token_digest=principal.encode(), created_at=transfer.created_at)


def test_sessions_end_and_stay_ended_when_the_account_opens_again(cast: Cast, alice: User) -> None:
    mine, others = cast.alice.client, cast.bob.client
    deactivating.deactivate(alice, who=OPERATOR)
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert mine.get("/").status_code == 302
    assert others.get("/").status_code == 200


def test_keys_and_tokens_made_from_them_end(cast: Cast, alice: User) -> None:
    issued = issue(cast, alice)
    token, _ = credentials.issue_token(issued.key)
    deactivating.deactivate(alice, who=OPERATOR)
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert not AccessToken.objects.exists()
    for secret in (issued.secret, token):
        with pytest.raises(InvalidCredentials):
            authentication.authenticate_secret(secret)


def test_keys_of_the_site_go_on(cast: Cast, alice: User) -> None:
    issued = issue(cast, None)
    deactivating.deactivate(alice, who=OPERATOR)
    assert authentication.authenticate_secret(issued.secret).kind == "key"


def test_links_made_in_person_or_by_a_personal_key_end(cast: Cast, alice: User) -> None:
    personal = issue(cast, alice)
    ours = [make_link(cast, f"user:{alice.pk}"), make_link(cast, f"key:{personal.key.public_id}")]
    other = make_link(cast, f"key:{issue(cast, None).key.public_id}")
    deactivating.deactivate(alice, who=OPERATOR)
    ended = set(Grant.objects.exclude(revoked_at=None).values_list("pk", flat=True))
    assert ended == {link.pk for link in ours}
    assert other.pk not in ended


def test_it_is_in_the_trail(cast: Cast, alice: User) -> None:
    assert cast.alice.client.get("/sent/").status_code == 200
    issue(cast, alice)
    deactivating.deactivate(alice, who=OPERATOR)
    event = AuditEvent.objects.get(action="user.deactivate")
    assert (event.principal, event.subject) == ("system:operator", f"user:{alice.pk}")
    assert event.detail == {"keys": 1, "sessions": 1, "links": 0}


def test_repeated_it_changes_nothing(cast: Cast, alice: User) -> None:
    issued = issue(cast, alice)
    deactivating.deactivate(alice, who=OPERATOR)
    issued.key.refresh_from_db()
    first = issued.key.revoked_at
    deactivating.deactivate(alice, who=OPERATOR)
    issued.key.refresh_from_db()
    assert issued.key.revoked_at == first is not None


def test_a_session_that_nobody_signed_in_to_is_left_alone(cast: Cast, alice: User) -> None:
    anonymous = Client()
    session = anonymous.session
    session["basket"] = 1
    session.save()
    deactivating.deactivate(alice, who=OPERATOR)
    assert Session.objects.filter(pk=session.session_key).exists()
