"""What a transfer holds. UIDs, digests, sizes and times are plain columns; all else is sealed.

A `*_record` column holds one sealed record bound to its row (docs/envelope.md); a `*_hash` column is a keyed
hash under the index key of the day the transfer is purged, and dies with it.
"""

from django.db import models

from transfers.models.transfer import Transfer


class Pack(models.Model):
    """One stored object: complete sealed streams one after the other, from one push."""

    name = models.CharField(max_length=64, unique=True)
    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="packs")
    envelope_version = models.PositiveSmallIntegerField(default=1)
    upload_id = models.CharField(max_length=200, blank=True)
    # What has been committed: bytes beyond it belong to a push that was cut.
    committed_length = models.BigIntegerField(default=0)
    is_open = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], condition=models.Q(is_open=True), name="pack_open"),
        ]

    def __str__(self) -> str:
        return self.name


class Study(models.Model):
    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="studies")
    study_instance_uid = models.CharField(max_length=64)
    patient_hash = models.BinaryField(null=True)
    accession_hash = models.BinaryField(null=True)
    record = models.BinaryField(null=True)
    series_count = models.IntegerField(default=0)
    instance_count = models.IntegerField(default=0)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "studies"
        constraints = [
            models.UniqueConstraint(fields=["transfer", "study_instance_uid"], name="study_unique"),
        ]
        indexes = [
            models.Index(fields=["study_instance_uid"], name="study_uid"),
            models.Index(fields=["patient_hash"], name="study_patient"),
            models.Index(fields=["accession_hash"], name="study_accession"),
        ]

    def __str__(self) -> str:
        return self.study_instance_uid


class Series(models.Model):
    study = models.ForeignKey(Study, models.CASCADE, related_name="series")
    series_instance_uid = models.CharField(max_length=64)
    record = models.BinaryField(null=True)
    instance_count = models.IntegerField(default=0)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "series"
        constraints = [models.UniqueConstraint(fields=["study", "series_instance_uid"], name="series_unique")]
        indexes = [models.Index(fields=["series_instance_uid"], name="series_uid")]

    def __str__(self) -> str:
        return self.series_instance_uid


class Instance(models.Model):
    """One SOP Instance: where its sealed stream lies, what it must hash to, where its pixels are.

    `offset` and `sealed_length` address the stream inside the pack, `size` and the other offsets the file as
    it was sent. `frames` packs the frame table (transfers/formats/part10.py).
    """

    # Found by the unique constraints below, like the pack: an index more is written for every instance.
    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="instances", db_index=False)
    study = models.ForeignKey(Study, models.CASCADE, related_name="instances")
    series = models.ForeignKey(Series, models.CASCADE, related_name="instances")
    sop_class_uid = models.CharField(max_length=64)
    sop_instance_uid = models.CharField(max_length=64)
    transfer_syntax_uid = models.CharField(max_length=64)

    pack = models.ForeignKey(Pack, models.PROTECT, related_name="instances", db_index=False)
    ordinal = models.IntegerField()
    offset = models.BigIntegerField()
    sealed_length = models.BigIntegerField()
    size = models.BigIntegerField()
    sha256 = models.BinaryField(max_length=32)
    crc32 = models.BigIntegerField()

    dataset_offset = models.IntegerField()
    pixel_offset = models.BigIntegerField(null=True)
    pixel_value_offset = models.BigIntegerField(null=True)
    pixel_length = models.BigIntegerField(null=True)
    tail_crc32 = models.BigIntegerField(null=True)
    frame_count = models.IntegerField(null=True)
    frames = models.BinaryField(null=True)

    record = models.BinaryField(null=True)
    # The digest that was last validated; another one means that a later version has come since.
    validated_sha256 = models.BinaryField(max_length=32, null=True)
    # Codes of rules/conformance.py that were found in it then, so that a verdict once reached can be used again.
    found_codes = models.CharField(max_length=400, blank=True, db_default="")
    # A rejection note hides an instance: 113001 or 113037 and so on, empty when it is shown.
    rejected_by = models.CharField(max_length=8, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["transfer", "sop_instance_uid"], name="instance_unique"),
            models.UniqueConstraint(fields=["pack", "ordinal"], name="instance_stretch_unique"),
        ]
        indexes = [
            models.Index(fields=["sop_instance_uid"], name="instance_uid"),
            models.Index(fields=["study"], condition=~models.Q(rejected_by=""), name="instance_rejected"),
        ]

    def __str__(self) -> str:
        return self.sop_instance_uid


class DeclaredInstance(models.Model):
    """One line of a commitment list: its sender said that this instance belongs to the transfer."""

    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="declared", db_index=False)
    sop_instance_uid = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["transfer", "sop_instance_uid"], name="declared_unique")]

    def __str__(self) -> str:
        return self.sop_instance_uid


class Document(models.Model):
    """A report or another document that travels with a study or alone."""

    transfer = models.ForeignKey(Transfer, models.CASCADE, related_name="documents")
    study_instance_uid = models.CharField(max_length=64, blank=True)
    accession_hash = models.BinaryField(null=True)
    media_type = models.CharField(max_length=80)
    status = models.CharField(max_length=12)  # preliminary, final, amended
    replaces = models.ForeignKey("self", models.SET_NULL, null=True, related_name="replaced_by")
    record = models.BinaryField(null=True)

    pack = models.ForeignKey(Pack, models.PROTECT, related_name="documents")
    ordinal = models.IntegerField()
    offset = models.BigIntegerField()
    sealed_length = models.BigIntegerField()
    size = models.BigIntegerField()
    sha256 = models.BinaryField(max_length=32)
    crc32 = models.BigIntegerField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["transfer", "sha256"], name="document_unique")]

    def __str__(self) -> str:
        return f"document {self.pk}"
