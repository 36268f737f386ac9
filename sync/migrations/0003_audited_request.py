"""Which audit context a request opened is one look (sync/admin/tracing/cause.py)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("pghistory", "0007_auto_20250421_0444"), ("sync", "0002_settle")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX audit_request ON pghistory_context ((metadata ->> 'request_id'), created_at)",
            "DROP INDEX audit_request",
        )
    ]
