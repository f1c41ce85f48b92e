import accounts.models.organization
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_organization_allowed_origins'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='organization',
            options={'ordering': ['name'], 'verbose_name': 'organisation'},
        ),
        migrations.AlterField(
            model_name='apikey',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='keys', to='accounts.organization', verbose_name='organisation'),
        ),
        migrations.AlterField(
            model_name='department',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='departments', to='accounts.organization', verbose_name='organisation'),
        ),
        migrations.AlterField(
            model_name='membership',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='accounts.organization', verbose_name='organisation'),
        ),
        migrations.AlterField(
            model_name='organization',
            name='time_zone',
            field=models.CharField(default='UTC', max_length=64, validators=[accounts.models.organization.validate_time_zone]),
        ),
        migrations.AlterField(
            model_name='user',
            name='time_zone',
            field=models.CharField(default='UTC', max_length=64, validators=[accounts.models.organization.validate_time_zone]),
        ),
        migrations.AlterConstraint(
            model_name='organization',
            name='retention_within_ceiling',
            constraint=models.CheckConstraint(condition=models.Q(('retention_days__lte', models.F('retention_ceiling_days'))), name='retention_within_ceiling', violation_error_message='The usual days of availability exceed the longest.'),
        ),
        migrations.AlterConstraint(
            model_name='organization',
            name='ceiling_within_180_days',
            constraint=models.CheckConstraint(condition=models.Q(('retention_ceiling_days__lte', 180)), name='ceiling_within_180_days', violation_error_message='Nothing is available for more than 180 days.'),
        ),
        migrations.AlterConstraint(
            model_name='partnership',
            name='partnership_of_two',
            constraint=models.CheckConstraint(condition=models.Q(('sender', models.F('recipient')), _negated=True), name='partnership_of_two', violation_error_message='Sender and recipient are the same.'),
        ),
        migrations.AlterConstraint(
            model_name='user',
            name='user_email_case_insensitive',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='user_email_case_insensitive', violation_error_message='There is an account with this e-mail address already.'),
        ),
    ]
