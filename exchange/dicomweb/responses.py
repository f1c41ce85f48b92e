"""Bodies of several parts, and data sets as JSON or XML (DICOM PS3.18 Sections 8.6 and 8.7)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from transfers import retrieving
from transfers.formats import multipart
from transfers.retrieving import Answer, Item, Piece, Stretch, Whole


@dataclass(slots=True)
class Part:
    """One body part: its type, the URL of what it is, and its octets."""

    media_type: str
    location: str
    pieces: Sequence[Piece]

    @property
    def makeup(self) -> str:
        """What decides the octets, beside the digest of the item they come from; nothing where they are all of it."""
        first = self.pieces[0] if len(self.pieces) == 1 else None
        if isinstance(first, Stretch) and first.is_whole and first.width == 1:
            return ""
        return repr(
            [
                len(piece) if isinstance(piece, bytes) else (piece.start, piece.stop, getattr(piece, "width", 0))
                for piece in self.pieces
                if not isinstance(piece, Whole)
            ]
        )


def multipart_answer(
    parts: Sequence[Part], *, root: str, items: Sequence[Item], kind: retrieving.Kind = "pulled"
) -> Answer:
    """A multipart/related of stored octets (PS3.18 Section 8.6.1.2).

    Its boundary comes from the digests, so that the same request gives the same bytes and a range of them fits.
    """
    names = chain.from_iterable((part.media_type, part.location, part.makeup) for part in parts)
    etag = retrieving.tag("multipart", root, "\n".join(names), retrieving.digests(items))
    boundary = etag.encode()
    pieces: list[Piece] = []
    for part in parts:
        pieces.append(multipart.part_header(boundary, content_type=part.media_type, location=part.location))
        pieces.extend(part.pieces)
    pieces.append(multipart.closing(boundary))
    media_type = f'multipart/related; type="{root}"; boundary={etag}'
    return retrieving.of_pieces(pieces, media_type=media_type, etag=etag, items=items, kind=kind)


def single_answer(part: Part, *, item: Item, kind: retrieving.Kind = "pulled") -> Answer:
    """The octets of one thing, by themselves."""
    etag = retrieving.tag("single", part.media_type, part.makeup, item.sha256)
    return retrieving.of_pieces(part.pieces, media_type=part.media_type, etag=etag, items=[item], kind=kind)


def model_response(body: bytes | Iterator[bytes], *, media_type: str, etag: str = "") -> HttpResponseBase:
    """Data sets without their bulk data; the type carries no charset, for clients compare the string."""
    headers = {"Content-Type": media_type, "Cache-Control": "private, no-store", "Vary": "Accept, Authorization"}
    if etag:
        headers["ETag"] = f'"{etag}"'
    if isinstance(body, bytes):
        return HttpResponse(body, headers={**headers, "Content-Length": str(len(body))})
    return StreamingHttpResponse(body, headers=headers)
