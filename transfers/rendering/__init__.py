"""Rendering: what is stored as pictures and pages for people, and as pixels that any program reads.

`opened` reads what the sandbox needs, `pictures` and `thumbnails` have it drawn, `decompressing` has it decoded,
`encoding` compressed anew, `texts` makes pages of what is no picture. Nothing is read but a header and the frames that
are wanted.
"""

from transfers.rendering.decompressing import DECODABLE, decoded_frames, decompressed_pieces, made_whole
from transfers.rendering.encoding import ENCODABLE, Room, encoded_frames, encoded_pieces
from transfers.rendering.held import held_frames
from transfers.rendering.opened import has_pixels, make_ready
from transfers.rendering.pictures import (
    MAX_MADE,
    PRESENTATION_STATES,
    Failure,
    Picture,
    Wishes,
    animate,
    frame_numbers,
    pictures_of,
    presented,
    stream_pictures,
)
from transfers.rendering.texts import PAGES, PDF, document, has_pages, page
from transfers.rendering.thumbnails import SIDE, representative, thumbnail

__all__ = [
    "DECODABLE",
    "ENCODABLE",
    "MAX_MADE",
    "PAGES",
    "PDF",
    "PRESENTATION_STATES",
    "SIDE",
    "Failure",
    "Picture",
    "Room",
    "Wishes",
    "animate",
    "decoded_frames",
    "decompressed_pieces",
    "document",
    "encoded_frames",
    "encoded_pieces",
    "frame_numbers",
    "has_pages",
    "has_pixels",
    "held_frames",
    "made_whole",
    "make_ready",
    "page",
    "pictures_of",
    "presented",
    "representative",
    "stream_pictures",
    "thumbnail",
]
