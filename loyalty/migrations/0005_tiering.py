"""A tier may be borne for a while, and a change of tier says what was counted and up to when."""

from django.db import migrations, models
from django.utils import timezone


class Migration(migrations.Migration):
    dependencies = [("loyalty", "0004_purchase_refunds")]

    operations = [
        migrations.AddField(
            model_name="account",
            name="is_in_grace",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Reviewed, not reached again: falls when the grace is over",
                verbose_name="tier in grace",
            ),
        ),
        migrations.AddField(
            model_name="tierchange",
            name="counted_to",
            field=models.DateTimeField(
                default=timezone.now, help_text="What was received later was not there yet", verbose_name="counted to"
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="tierchange",
            name="qualify_by",
            field=models.CharField(
                choices=[("spend", "Spending"), ("growth", "Growth")],
                default="spend",
                max_length=10,
                verbose_name="counted",
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="tierchange",
            name="qualifying",
            field=models.BigIntegerField(help_text="In fen, or growth", verbose_name="what counted"),
        ),
        migrations.AlterField(
            model_name="tierchange",
            name="cause",
            field=models.CharField(
                choices=[
                    ("reached", "Threshold reached"),
                    ("reviewed", "Review"),
                    ("refunded", "Qualifying order refunded"),
                    ("merged", "Members merged"),
                    ("parted", "Merge undone"),
                ],
                max_length=10,
                verbose_name="cause",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("is_in_grace", False), ("tier", None), ("tier_since", None), ("tier_until", None)),
                    models.Q(("tier__isnull", False), ("tier_since__isnull", False)),
                    _connector="OR",
                ),
                name="account_tier_has_its_times",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_in_grace", False), ("tier_until__isnull", False), _connector="OR"),
                name="account_grace_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="tierchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("counted_from__lt", models.F("counted_to"))), name="tier_change_counts_a_time"
            ),
        ),
    ]
