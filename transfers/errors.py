"""The error tree: raised where a thing is known, mapped once at each door (docs/errors.md).

ExchangeError
├── Refused                    the caller may change the request and try again
│   ├── NotFound               absent, or not the caller's: the two must look alike
│   ├── Gone                   was the caller's once; lapsed, withdrawn or purged
│   ├── Forbidden              known to the caller, but not allowed
│   ├── Conflict               the state does not permit it
│   ├── PreconditionFailed     If-Match names an older revision
│   ├── BadRequest             the request cannot be understood
│   │   ├── InvalidField       names the field, and what would be right
│   │   └── MalformedMultipart
│   ├── NotAcceptable          no representation the caller accepts
│   ├── UnsupportedMediaType
│   ├── LengthRequired
│   ├── RangeNotSatisfiable
│   ├── TooBroad               a search that would have to open too many records
│   ├── QuotaExceeded          bytes, instances or open transfers of an organisation
│   ├── TooManyRequests
│   └── InstanceRefused        one instance of a push, the others go on
│       ├── NotDicom           no Part 10 header
│       ├── TruncatedInstance
│       ├── MalformedInstance  lengths, depth, UIDs
│       ├── UnsafeInstance     executable preamble, decompression bomb
│       ├── WrongStudy         not the study of the URL
│       ├── MissingBulkData    named by the metadata, and not in the body
│       ├── UnsupportedSyntax  of bulk data from which an instance was to be composed
│       └── UnsupportedClass   DICOMDIR and other things that are not stored
└── Unavailable                nothing wrong with the request: try again later
    ├── StorageUnavailable
    ├── StorageFull
    ├── KeyUnavailable
    ├── SandboxUnavailable     no process in which untrusted data may be read
    ├── ScannerUnavailable     the malware scanner that was asked for does not answer
    └── Busy
SandboxKilled                  what was read killed, stalled or overfilled the process that read it
Integrity                      stored bytes are not what was sealed; never answered as data
"""


class ExchangeError(Exception):
    """Every error of the exchange; `sentence` is safe to show: it never holds patient data."""

    sentence = "The request could not be carried out."

    def __init__(self, sentence: str = "") -> None:
        self.sentence = sentence or self.sentence
        super().__init__(self.sentence)


class Refused(ExchangeError):
    pass


class NotFound(Refused):
    sentence = "There is nothing here that you may see."


class Gone(Refused):
    sentence = "This is no longer available. Ask its sender whether it can be opened or sent again."


class Forbidden(Refused):
    sentence = "This credential has no right to do this. Ask your administrator for one that has."


class Conflict(Refused):
    sentence = "The present state does not permit this."


class PreconditionFailed(Refused):
    sentence = "It has changed since you read it. Read it again and repeat the change."


class BadRequest(Refused):
    sentence = "The request cannot be understood."


class InvalidField(BadRequest):
    sentence = "A value is not valid."

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        super().__init__(sentence)


class MalformedMultipart(BadRequest):
    sentence = "The multipart body is malformed or was cut off."


class NotAcceptable(Refused):
    sentence = "None of the media types you accept can be given for this resource."


class UnsupportedMediaType(Refused):
    sentence = "This media type is not accepted here."


class LengthRequired(Refused):
    sentence = "Send a Content-Length with a body that is not multipart."


class RangeNotSatisfiable(Refused):
    sentence = "The range lies outside the representation."

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__()


class TooBroad(Refused):
    sentence = "This search would read too much at once. Name a study, a series or a unique identifier."


class QuotaExceeded(Refused):
    sentence = "Your organisation's limit is reached. Nothing was stored."


class TooManyRequests(Refused):
    sentence = "Too many requests at once. Try again shortly."

    def __init__(self, sentence: str = "", *, retry_after: int = 30) -> None:
        self.retry_after = retry_after
        super().__init__(sentence)


class InstanceRefused(Refused):
    """One instance is not stored; the reason goes into the Store response (PS3.18 Table 10.5.3-1)."""


class NotDicom(InstanceRefused):
    sentence = "Not a DICOM file: it has no Part 10 header (PS3.10 Section 7.1)."


class TruncatedInstance(InstanceRefused):
    sentence = "The instance is cut off: a data element runs past its end."


class MalformedInstance(InstanceRefused):
    sentence = "The data set cannot be read."


class UnsafeInstance(InstanceRefused):
    sentence = "The file could harm its readers and is not stored."


class WrongStudy(InstanceRefused):
    sentence = "The Study Instance UID differs from that of the URL."


class MissingBulkData(InstanceRefused):
    sentence = "A part that the metadata name by a BulkDataURI did not come."


class UnsupportedSyntax(InstanceRefused):
    sentence = "Pixel data of this media type or transfer syntax are not taken. Send them as they are in a file."


class UnsupportedClass(InstanceRefused):
    sentence = "Objects of this class are not stored by an exchange."


class Unavailable(ExchangeError):
    sentence = "The service is not available at the moment. Try again shortly."


class StorageUnavailable(Unavailable):
    sentence = "The storage does not answer. Nothing was lost; try again shortly."


class StorageFull(Unavailable):
    sentence = "The storage is full. What was acknowledged is safe; send the rest later."


class KeyUnavailable(Unavailable):
    sentence = "A key cannot be read. Tell the operator of this exchange."


class SandboxUnavailable(Unavailable):
    sentence = "The process that reads objects cannot be started. Tell the operator of this exchange."


class ScannerUnavailable(Unavailable):
    sentence = "The malware scanner does not answer. Nothing was lost; it is tried again."


class Busy(Unavailable):
    sentence = "Too many pushes are running for this key. Try again shortly."


class SandboxKilled(ExchangeError):
    sentence = "The object could not be read within bounds."


class Integrity(ExchangeError):
    sentence = "Stored bytes do not verify. They were not sent."
