"""A link's landing page, its second factor, and what is behind it."""

import io
import zipfile
from datetime import timedelta

import pytest
from django.core import signing
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEvent
from exchange import passes
from tests import factories
from tests.actors import Cast
from tests.exchange.portal.linking import FILE, PIN, Answer, make_link, text_of
from transfers import errors, expiring
from transfers.access import pulling
from transfers.expiring import sweeping
from transfers.models import Grant, Lease, PullRecord, Transfer
from transfers.rules.lifecycle import LEASE_LIVES, Access

CANARIES = ("Canary", "CANARY")


# The landing page


def test_it_says_who_sent_until_when_and_whom_to_call(cast: Cast) -> None:
    link = make_link(cast)
    text = text_of(link.browser.get(link.path))
    assert "St Elsewhere" in text
    assert link.transfer.reference in text
    assert "+44 20 7946 0000" in text
    assert f"{link.transfer.available_until:%H:%M} UTC" in text


def test_it_says_nothing_of_the_patient(cast: Cast) -> None:
    link = make_link(cast)
    Transfer.objects.filter(pk=link.transfer.pk).update(purpose="second opinion")
    page = link.browser.get(link.path).content.decode()
    assert not [word for word in (*CANARIES, "Second opinion") if word in page]


@pytest.mark.parametrize("method", ["get", "head"])
def test_opening_it_changes_nothing_and_sets_no_cookie(cast: Cast, method: str) -> None:
    link = make_link(cast)
    before, events = Grant.objects.values().get(), AuditEvent.objects.count()
    response = getattr(link.browser, method)(link.path)
    assert response.status_code == 200
    assert not response.cookies
    assert (Grant.objects.values().get(), AuditEvent.objects.count()) == (before, events)


def test_no_other_site_and_no_cache_learns_the_address(cast: Cast) -> None:
    link = make_link(cast)
    for response in (link.browser.get(link.path), link.open("1"), link.browser.get("/s/unknown/")):
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
        assert "noindex" in response["X-Robots-Tag"]


def test_an_urgent_one_says_so(cast: Cast) -> None:
    link = make_link(cast)
    Transfer.objects.filter(pk=link.transfer.pk).update(urgency="urgent")
    assert "marked this as urgent" in text_of(link.browser.get(link.path))


def test_an_unknown_link_is_not_found(cast: Cast) -> None:
    assert Client().get("/s/never-was/").status_code == 404


def test_lookups_from_one_address_are_limited(cast: Cast) -> None:
    browser = Client()
    answers = [browser.get("/s/guess/").status_code for _ in range(31)]
    assert answers == [404] * 30 + [429]
    last = browser.get("/s/guess/")
    assert 0 < int(last["Retry-After"]) <= 61


# The second factor


@pytest.mark.parametrize("pin", [PIN, "4030 2010", "40-30-20-10", f" {PIN} "])
def test_the_right_number_opens_it_however_it_is_written(cast: Cast, pin: str) -> None:
    link = make_link(cast)
    response = link.open(pin)
    assert (response.status_code, response["Location"]) == (303, link.inside)
    assert link.again().verified_at is not None


def test_the_cookie_is_for_this_link_alone(cast: Cast) -> None:
    link = make_link(cast)
    cookie = link.open().cookies["grant"]
    assert cookie["path"] == link.inside
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 15 * 60)
    assert link.token not in cookie.value
    assert PIN not in cookie.value


def test_a_wrong_number_says_how_many_tries_are_left(cast: Cast) -> None:
    link = make_link(cast)
    response = link.open("00000000")
    assert response.status_code == 403
    assert "4 tries are left" in text_of(response)
    assert link.browser.get(link.inside).status_code == 401


@pytest.mark.parametrize("pin", ["", "abc", "1234567", "123456789", "4030 201o"])
def test_what_has_not_eight_digits_is_told_so_and_costs_no_try(cast: Cast, pin: str) -> None:
    link = make_link(cast)
    response = link.open(pin)
    assert response.status_code == 403
    text = text_of(response)
    assert "A PIN has eight digits." in text and "not counted" in text and "left" not in text
    assert "<title>Error: " in response.content.decode()
    assert link.again().attempts == 0


def test_the_fifth_wrong_number_locks_it_for_good(cast: Cast) -> None:
    link = make_link(cast)
    answers = [text_of(link.open("00000000")) for _ in range(5)]
    assert "1 try is left" in answers[3]
    assert "This link is locked" in answers[4]
    refused = link.open(PIN)
    assert refused.status_code == 403
    assert "Call St Elsewhere on +44 20 7946 0000" in text_of(refused)


# Links that are over


def test_a_lapsed_link_says_when_and_whom_to_ask(cast: Cast) -> None:
    link = make_link(cast)
    ended = timezone.now() - timedelta(minutes=5)
    Transfer.objects.filter(pk=link.transfer.pk).update(available_until=ended)
    response = link.browser.get(link.path)
    assert response.status_code == 410
    text = text_of(response)
    assert f"{ended:%H:%M} UTC" in text
    assert "Ask the sender" in text
    assert "+44 20 7946 0000" in text


def test_a_withdrawn_link_says_so_even_after_the_purge(cast: Cast) -> None:
    link = make_link(cast)
    expiring.withdraw(cast.alice.who, link.transfer.pk)
    response = link.open()
    assert response.status_code == 410
    assert "withdrawn by the sender" in text_of(response)


@pytest.mark.parametrize("column", ["grant", "delivery"])
def test_a_revoked_link_opens_nothing_even_in_an_open_browser(cast: Cast, column: str) -> None:
    link = make_link(cast)
    link.open()
    if column == "grant":
        Grant.objects.update(revoked_at=timezone.now())
    else:
        link.grant.delivery.access = Access.REVOKED
        link.grant.delivery.save(update_fields=["access"])
    assert link.browser.get(link.inside).status_code == 410
    assert link.browser.get(f"{link.inside}download/").status_code == 410
    assert "closed this link" in text_of(link.browser.get(link.path))


# Behind it


def test_it_shows_counts_and_offers_the_archive(cast: Cast) -> None:
    link = make_link(cast)
    link.open()
    response = link.browser.get(link.inside)
    text = text_of(response)
    assert "1 image" in text
    assert "Download all" in text
    assert response["Cache-Control"] == "no-store"


def test_without_the_cookie_what_is_there_and_what_never_was_are_alike(cast: Cast) -> None:
    link = make_link(cast)
    stranger = Client()
    there, absent = stranger.get(link.inside), stranger.get("/g/999999/")
    assert there.status_code == absent.status_code == 401
    assert there.content == absent.content
    assert stranger.get(f"{link.inside}download/").status_code == 401


def test_a_cookie_of_another_link_opens_nothing(cast: Cast) -> None:
    mine, other = make_link(cast), make_link(cast, [FILE])
    value = mine.open().cookies["grant"].value
    thief = Client()
    thief.cookies["grant"] = value
    assert thief.get(other.inside).status_code == 401


def test_a_forged_cookie_opens_nothing(cast: Cast) -> None:
    link = make_link(cast)
    thief = Client()
    thief.cookies["grant"] = signing.TimestampSigner(key="guessed", salt="exchange.portal.grant").sign_object(
        [link.grant.pk, 4e9]
    )
    assert thief.get(link.inside).status_code == 401


def test_the_cookie_ends_after_its_longest_time_however_busy(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    link = make_link(cast)
    link.open()
    assert link.browser.get(link.inside).status_code == 200
    monkeypatch.setattr(passes, "LONGEST", -1)
    assert link.browser.get(link.inside).status_code == 401


def test_leaving_takes_the_cookie_away(cast: Cast) -> None:
    link = make_link(cast)
    link.open()
    link.browser.post(f"{link.inside}leave/")
    assert link.browser.get(link.inside).status_code == 401


# The archive


def archive_of(response: object) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(response.getvalue()))  # type: ignore[attr-defined]


def test_the_archive_holds_what_was_sent_and_is_counted(cast: Cast) -> None:
    link = make_link(cast)
    link.open()
    response = link.browser.get(f"{link.inside}download/")
    archive = archive_of(response)
    assert [archive.read(name) for name in archive.namelist()] == [FILE]
    assert (link.again().pulls_done, Lease.objects.count()) == (1, 0)
    assert PullRecord.objects.get().principal == f"link:{link.grant.pk}"


def hang_up(response: Answer) -> None:
    """All that `close()` does, but for the signal that drops the connection."""
    for close in response._resource_closers:
        close()


def test_a_download_that_breaks_off_gives_its_place_back(cast: Cast) -> None:
    link = make_link(cast, max_pulls=1)
    link.open()
    broken: Answer = link.browser.get(f"{link.inside}download/")
    next(iter(broken.streaming_content))
    hang_up(broken)
    assert (link.again().pulls_done, Lease.objects.count()) == (0, 0)
    assert archive_of(link.browser.get(f"{link.inside}download/")).namelist()


def test_a_range_goes_on_and_its_end_counts(cast: Cast) -> None:
    link = make_link(cast, max_pulls=1)
    link.open()
    start: Answer = link.browser.get(f"{link.inside}download/", headers={"Range": "bytes=0-99"})
    whole = b"".join(start.streaming_content)
    assert link.again().pulls_done == 0
    rest: Answer = link.browser.get(f"{link.inside}download/", headers={"Range": "bytes=100-"})
    assert rest.status_code == 206
    whole += b"".join(rest.streaming_content)
    assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None
    assert link.again().pulls_done == 1


def test_no_more_downloads_than_the_sender_allowed(cast: Cast) -> None:
    link = make_link(cast, max_pulls=1)
    link.open()
    running = link.browser.get(f"{link.inside}download/")
    assert link.browser.get(f"{link.inside}download/").status_code == 410
    running.getvalue()
    assert link.browser.get(f"{link.inside}download/").status_code == 410
    assert "as often as its sender allowed" in text_of(link.browser.get(link.inside))


def test_all_but_the_last_byte_counts(cast: Cast) -> None:
    link = make_link(cast, max_pulls=1)
    link.open()
    size = int(link.browser.head(f"{link.inside}download/")["Content-Length"])
    nearly: Answer = link.browser.get(f"{link.inside}download/", headers={"Range": f"bytes=0-{size - 2}"})
    assert len(nearly.getvalue()) == size - 1
    assert link.again().pulls_done == 1
    assert link.browser.get(f"{link.inside}download/").status_code == 410


def test_parts_are_added_up(cast: Cast) -> None:
    link = make_link(cast, max_pulls=1)
    link.open()
    size = int(link.browser.head(f"{link.inside}download/")["Content-Length"])
    third = f"bytes=0-{size // 3}"
    for _ in range(3):
        link.browser.get(f"{link.inside}download/", headers={"Range": third}).getvalue()
    assert link.again().pulls_done == 1
    assert link.browser.get(f"{link.inside}download/", headers={"Range": third}).status_code == 410


def test_downloads_that_always_break_off_are_added_up(cast: Cast) -> None:
    link = make_link(cast, max_pulls=1)
    link.open()
    for done in (0, 1):
        broken: Answer = link.browser.get(f"{link.inside}download/")
        size, got = int(broken["Content-Length"]), 0
        chunks = iter(broken.streaming_content)
        while got < size:
            got += len(next(chunks))
        hang_up(broken)
        assert link.again().pulls_done == done


def test_closing_an_account_cuts_what_its_links_are_giving(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfers.retrieving.answers.RECHECK_BYTES", 1)
    large = [factories.make_ct(pixels=bytes(2 << 20), Rows=1024, Columns=1024) for _ in range(2)]
    link = make_link(cast, large)
    link.open()
    running: Answer = link.browser.get(f"{link.inside}download/")
    assert pulling.close_links_of([link.transfer.principal]) == 1
    with pytest.raises(errors.Gone):
        list(running.streaming_content)
    hang_up(running)
    assert link.browser.get(f"{link.inside}download/").status_code == 410


def fall_silent() -> None:
    Lease.objects.update(heartbeat_at=Now() - LEASE_LIVES - timedelta(seconds=1))


def test_a_download_whose_process_was_killed_gives_its_place_back(cast: Cast) -> None:
    link = make_link(cast, max_pulls=1)
    link.open()
    pulling.reserve_pull(link.grant.pk)  # and then nothing: no chunk, no end
    assert link.browser.get(f"{link.inside}download/").status_code == 410
    fall_silent()
    assert archive_of(link.browser.get(f"{link.inside}download/")).namelist()
    assert link.again().pulls_done == 1
    assert sweeping.end_dead_pushes()[0] == 1 and not Lease.objects.exists()


def test_a_long_download_keeps_its_place(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "BEAT_SECONDS", 0.0)
    link = make_link(cast, max_pulls=1)
    link.open()
    running: Answer = link.browser.get(f"{link.inside}download/")
    Lease.objects.update(heartbeat_at=Now() - LEASE_LIVES + timedelta(seconds=30))
    next(iter(running.streaming_content))
    assert Lease.objects.filter(heartbeat_at__gt=Now() - timedelta(seconds=30)).exists()
    hang_up(running)


def test_one_that_was_silent_goes_on_only_while_its_place_is_free(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "BEAT_SECONDS", 0.0)
    link = make_link(cast, max_pulls=1)
    link.open()
    silent: Answer = link.browser.get(f"{link.inside}download/")
    fall_silent()
    chunks = iter(silent.streaming_content)
    next(chunks)  # nobody came meanwhile
    fall_silent()
    other = pulling.reserve_pull(link.grant.pk)
    with pytest.raises(errors.Gone):
        list(chunks)
    hang_up(silent)
    pulling.settle_pull(link.grant.pk, other, share=1)
    assert link.again().pulls_done == 1


def test_asking_for_the_length_alone_counts_nothing(cast: Cast) -> None:
    link = make_link(cast)
    link.open()
    response = link.browser.head(f"{link.inside}download/")
    assert int(response["Content-Length"]) > len(FILE)
    assert (link.again().pulls_done, Lease.objects.count()) == (0, 0)


def test_a_failing_store_gives_the_place_back(cast: Cast) -> None:
    link = make_link(cast, max_pulls=1)
    link.open()
    link.transfer.packs.update(name="0" * 32)
    link.browser.raise_request_exception = False
    assert link.browser.get(f"{link.inside}download/").status_code >= 500
    assert not Lease.objects.exists()


def test_the_landing_page_asks_little_of_the_database(
    cast: Cast, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    link = make_link(cast)
    with django_assert_max_num_queries(6):
        link.browser.get(link.path)
