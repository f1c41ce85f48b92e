"""Content-Type and Accept as clients really write them, and which offer wins."""

import pytest

from transfers import errors
from transfers.formats import mediatypes

EXPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"


def offer(text: str) -> mediatypes.MediaType:
    return mediatypes.parse_media_type(text)


def choose(accept: str, *offers: str) -> str | None:
    chosen = mediatypes.negotiate(mediatypes.parse_accept(accept), [offer(text) for text in offers])
    return None if chosen is None else str(chosen)


@pytest.mark.parametrize(
    "text",
    [
        'multipart/related; type="application/dicom"; boundary=b',
        "multipart/related; type=application/dicom; boundary=b",
        'Multipart/Related;TYPE="application/dicom";Boundary="b"',
        'multipart/related ; type = "application/dicom" ; boundary="b";',
    ],
)
def test_every_spelling_reads_alike(text: str) -> None:
    read = mediatypes.parse_media_type(text)
    assert (read.essence, read.params) == ("multipart/related", {"type": "application/dicom", "boundary": "b"})


def test_quoted_values_keep_semicolons_commas_and_quotes() -> None:
    read = mediatypes.parse_media_type(r'multipart/related; boundary="a;b,c\"d"')
    assert read.params["boundary"] == 'a;b,c"d'


def test_written_type_reads_back() -> None:
    text = 'multipart/related; type="application/dicom"; boundary="a b"; transfer-syntax=1.2'
    assert str(mediatypes.parse_media_type(text)) == text


@pytest.mark.parametrize(
    "text", ["", "dicom", "a/b; x", 'a/b; x="y', "a/b; x=1; X=2", "*/*", "image/*", "a/b/c", "a/b c"]
)
def test_unreadable_content_type_is_refused(text: str) -> None:
    with pytest.raises(errors.UnsupportedMediaType):
        mediatypes.parse_media_type(text)


def test_malformed_accept_entries_are_ignored() -> None:
    ranges = mediatypes.parse_accept("nonsense, */png, image/png;q=2, image/jpeg;q=0.5, ,text/*;q=x")
    assert [(entry.media_type.essence, entry.quality) for entry in ranges] == [("image/jpeg", 0.5)]


def test_comma_inside_quotes_does_not_end_an_entry() -> None:
    assert len(mediatypes.parse_accept('a/b; x="1,2", c/d')) == 2


def test_first_offer_wins_among_equals() -> None:
    assert choose("*/*", "application/dicom+json", "text/html") == "application/dicom+json"


def test_higher_weight_wins() -> None:
    assert choose("a/b;q=0.4, c/d;q=0.9", "a/b", "c/d") == "c/d"


def test_weight_of_the_most_specific_range_counts() -> None:
    assert choose("image/png;q=0.1, image/*;q=0.9, */*;q=0.8", "image/png", "text/html") == "text/html"


def test_weight_zero_excludes() -> None:
    assert choose("*/*, image/png;q=0", "image/png") is None


def test_nothing_acceptable_is_none() -> None:
    assert choose("image/jpeg", "application/dicom+json") is None


@pytest.mark.parametrize("root", ['"application/dicom"', "application/dicom", '"application/*"', '"*/*"'])
def test_root_type_may_be_quoted_bare_or_wild(root: str) -> None:
    chosen = choose(f"multipart/related; type={root}", 'multipart/related; type="application/dicom"')
    assert chosen == 'multipart/related; type="application/dicom"'


def test_other_root_type_does_not_match() -> None:
    assert choose('multipart/related; type="image/*"', 'multipart/related; type="application/dicom"') is None


def test_named_transfer_syntax_must_be_offered() -> None:
    offers = [f"application/dicom; transfer-syntax={syntax}" for syntax in (EXPLICIT, JPEG)]
    assert choose(f"application/dicom; transfer-syntax={JPEG}", *offers) == offers[1]
    assert choose("application/dicom; transfer-syntax=1.2.3", *offers) is None


@pytest.mark.parametrize("accept", ["application/dicom", "application/dicom; transfer-syntax=*", "*/*"])
def test_open_transfer_syntax_takes_the_first_offer(accept: str) -> None:
    offers = [f"application/dicom; transfer-syntax={syntax}" for syntax in (EXPLICIT, JPEG)]
    assert choose(accept, *offers) == offers[0]


def test_transfer_syntaxes_are_weighed() -> None:
    accept = f"application/dicom; transfer-syntax={EXPLICIT};q=0.3, application/dicom; transfer-syntax=*;q=0.6"
    offers = [f"application/dicom; transfer-syntax={syntax}" for syntax in (EXPLICIT, JPEG)]
    assert choose(accept, *offers) == offers[1]


def test_boundary_in_accept_means_nothing() -> None:
    accept = 'multipart/related; type="application/dicom"; boundary=xyz'
    assert choose(accept, 'multipart/related; type="application/dicom"') is not None


def test_hostile_header_is_read_in_no_time() -> None:
    assert mediatypes.parse_accept('a/b; x="' + '\\"' * 100_000) == []
    assert mediatypes.parse_accept("," * 100_000) == []


def test_names_are_compared_without_regard_to_case() -> None:
    offers = [mediatypes.MediaType("video", "H265")]
    assert mediatypes.negotiate(mediatypes.parse_accept("Video/h265"), offers) == offers[0]
