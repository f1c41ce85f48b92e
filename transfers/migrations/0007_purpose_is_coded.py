"""The purpose becomes one of a list; a text that is none of it becomes "other", and is gone."""

from django.db import migrations, models

PURPOSES = [
    "treatment",
    "emergency",
    "second opinion",
    "referral",
    "follow-up",
    "patient request",
    "research",
    "quality",
    "other",
]
# `Second Opinion ` is what it says; anything else could be anything.
FILL = """
    UPDATE transfers_transfer
       SET purpose = CASE WHEN lower(btrim(purpose)) = ANY(%s) THEN lower(btrim(purpose))
                          WHEN btrim(purpose) = '' THEN '' ELSE 'other' END
     WHERE purpose <> '' AND NOT purpose = ANY(%s)
"""


class Migration(migrations.Migration):
    dependencies = [("transfers", "0006_indexes")]
    operations = [
        migrations.RunSQL([(FILL, [PURPOSES, PURPOSES])], migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="transfer",
            name="purpose",
            field=models.CharField(blank=True, choices=[(one, one) for one in PURPOSES], max_length=20),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(condition=models.Q(purpose__in=["", *PURPOSES]), name="purpose_is_coded"),
        ),
    ]
