from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("transfers", "0011_transfer_touched_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="grant",
            name="share_pulled",
            field=models.FloatField(db_default=0, default=0),
        ),
    ]
