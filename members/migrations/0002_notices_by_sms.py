# Messages know their occasion themselves: a text message has no template to tell it.

import django.db.models.deletion
from django.db import migrations, models

OCCASIONS = [
    ('order_shipped', 'Order shipped'),
    ('order_delivered', 'Order signed for'),
    ('order_refunded', 'Order refunded'),
    ('points_expiring', 'Points expire soon'),
    ('phone_changed', 'Phone changed'),
    ('member_merged', 'Accounts merged'),
]
FILL = """
UPDATE members_membernotice n SET occasion = t.occasion FROM members_noticetemplate t WHERE t.id = n.template_id
"""


class Migration(migrations.Migration):

    dependencies = [
        ('members', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='membernotice',
            name='occasion',
            field=models.CharField(choices=OCCASIONS, default='', max_length=20, verbose_name='occasion'),
            preserve_default=False,
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddField(
            model_name='membernotice',
            name='medium',
            field=models.CharField(
                choices=[('wechat', 'WeChat'), ('sms', 'Text message')],
                db_default='wechat',
                default='wechat',
                max_length=10,
                verbose_name='sent as',
            ),
        ),
        migrations.AlterField(
            model_name='membernotice',
            name='template',
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name='+',
                to='members.noticetemplate',
                verbose_name='template',
            ),
        ),
        migrations.RemoveConstraint(model_name='membernotice', name='member_notice_once'),
        migrations.AddConstraint(
            model_name='membernotice',
            constraint=models.UniqueConstraint(fields=('member', 'occasion', 'reference'), name='member_notice_once'),
        ),
        migrations.AddConstraint(
            model_name='membernotice',
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(('medium', 'wechat'), ('template__isnull', False)),
                    models.Q(('medium', 'sms'), ('template', None)),
                    _connector='OR',
                ),
                name='member_notice_template_follows_medium',
            ),
        ),
    ]
