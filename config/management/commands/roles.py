from django.core.management.base import BaseCommand

from config import roles


class Command(BaseCommand):
    help = "Writes the groups of staff and their permissions; may be run again at any time."

    def handle(self, *args, **options):
        for role, permissions in roles.apply().items():
            if options["verbosity"]:
                self.stdout.write(f"{role}: {permissions} permissions")
