"""A credential opens what it may at this moment, not what it might once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import authentication, credentials
from accounts.authentication import InvalidCredentials
from accounts.models import ApiKey, Membership, Organization, User
from accounts.principals import Principal
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Organization:
    return factories.make_organization()


def who(secret: str) -> Principal:
    return authentication.authenticate_bearer(f"Bearer {secret}")


def test_a_key_is_its_organisation(site: Organization) -> None:
    issued = credentials.issue_key(site, name="pacs", scopes=["store", "read"])
    principal = who(issued.secret)
    assert principal.ident == f"key:{issued.key.public_id}"
    assert principal.organizations("store") == {site.pk}
    assert principal.organizations("manage") == frozenset()


def test_a_department_key_is_its_department_alone(site: Organization) -> None:
    department = factories.make_department(site)
    principal = who(credentials.issue_key(site, name="rad", scopes=["read"], department=department).secret)
    assert principal.organizations("read") == frozenset()
    assert principal.departments("read") == {department.pk}


@pytest.mark.parametrize("secret", ["", "wsk_", "wsk_a_b", "wst_x", "Basic x", "wsk_0011223344556677_" + "0" * 64])
def test_anything_else_opens_nothing(secret: str) -> None:
    with pytest.raises(InvalidCredentials):
        who(secret)


def test_one_changed_character_opens_nothing(site: Organization) -> None:
    secret = credentials.issue_key(site, name="k", scopes=["read"]).secret
    with pytest.raises(InvalidCredentials):
        who(secret[:-1] + ("0" if secret[-1] != "0" else "1"))


def test_an_expired_key_opens_nothing(site: Organization) -> None:
    issued = credentials.issue_key(site, name="k", scopes=["read"])
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(InvalidCredentials):
        who(issued.secret)


def test_a_revoked_key_takes_its_tokens_along(site: Organization) -> None:
    issued = credentials.issue_key(site, name="k", scopes=["read"])
    token, _ = credentials.issue_token(issued.key)
    assert who(token).organizations("read") == {site.pk}
    credentials.revoke_key(issued.key)
    for secret in (issued.secret, token):
        with pytest.raises(InvalidCredentials):
            who(secret)


def test_a_closed_organisation_opens_nothing(site: Organization) -> None:
    issued = credentials.issue_key(site, name="k", scopes=["read"])
    Organization.objects.update(is_active=False)
    with pytest.raises(InvalidCredentials):
        who(issued.secret)


def test_a_persons_key_can_do_no_more_than_the_person(site: Organization) -> None:
    user = User.objects.create_user("anna@site.example")
    membership = Membership.objects.create(user=user, organization=site, may_send=True, may_receive=True)
    secret = credentials.issue_key(site, name="k", scopes=["store", "read"], owner=user).secret
    assert who(secret).organizations("store") == {site.pk}
    Membership.objects.filter(pk=membership.pk).update(may_send=False)
    assert who(secret).organizations("store") == frozenset()
    assert who(secret).organizations("read") == {site.pk}


def test_a_person_who_left_leaves_keys_that_open_nothing(site: Organization) -> None:
    user = User.objects.create_user("anna@site.example")
    secret = credentials.issue_key(site, name="k", scopes=["read"], owner=user).secret
    assert who(secret).organizations("read") == frozenset()


def test_secrets_are_kept_as_hashes_only(site: Organization) -> None:
    issued = credentials.issue_key(site, name="k", scopes=["read"])
    kept = bytes(ApiKey.objects.get().digest)
    assert len(kept) == 32
    assert issued.secret.rpartition("_")[2].encode() not in kept
