"""In which transaction a delivery or a transfer last changed what its recipients may see.

The columns are the database's own, kept by its triggers: no model knows them, so no model can write an old one back.
Recipients of a delivery do not change, and rows that somebody saw are not deleted; nothing is stamped for that.
"""

from django.db import migrations

STAMP = """
    CREATE FUNCTION transfers_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.changed_in := pg_current_xact_id();
        RETURN NEW;
    END $$
"""
# What decides in transfers.access.seeing whether a recipient sees a transfer, and with which key.
DECIDING = {
    "transfers_transfer": ("state", "available_until", "wrapped_key", "day_key_id"),
    "transfers_delivery": ("access",),
}


def keep(table: str, columns: tuple[str, ...]) -> list[str]:
    differs = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
    return [
        f"ALTER TABLE {table} ADD COLUMN changed_in xid8 NOT NULL DEFAULT pg_current_xact_id()",
        f"CREATE INDEX {table}_changed_in ON {table} (changed_in)",
        f"CREATE TRIGGER changed_in BEFORE UPDATE OF {', '.join(columns)} ON {table}"
        f" FOR EACH ROW WHEN ({differs}) EXECUTE FUNCTION transfers_stamp()",
    ]


def forget(table: str) -> list[str]:
    return [f"DROP TRIGGER changed_in ON {table}", f"ALTER TABLE {table} DROP COLUMN changed_in"]


class Migration(migrations.Migration):
    dependencies = [("transfers", "0014_available")]

    operations = [
        migrations.RunSQL(STAMP, "DROP FUNCTION transfers_stamp()"),
        *(migrations.RunSQL(keep(table, columns), forget(table)) for table, columns in DECIDING.items()),
        migrations.RemoveIndex(model_name="transfer", name="transfer_available"),
    ]
