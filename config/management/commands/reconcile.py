from django.core.management.base import BaseCommand

from sync import reconcile


class Command(BaseCommand):
    help = "Runs every reconciliation once and says what it found."

    def handle(self, *args, **options):
        for ran in reconcile.run_all():
            self.stdout.write(f"{ran.name}: {ran.error or f'{ran.found} differences'}")
