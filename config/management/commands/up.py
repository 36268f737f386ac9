"""manage.py up: the whole hub in one terminal."""

from django.core.management.base import BaseCommand, CommandError

from config.launch import CannotStart, Hub, wipe
from config.supervisor import Journal, Stopped


class Command(BaseCommand):
    """Start everything, or with --reset delete what it kept."""

    help = "Start engines, schema, sandbox and all processes in this terminal; Ctrl-C ends them."
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument("--reset", action="store_true", help="delete the data folder instead")

    def handle(self, *args, reset, **options):
        try:
            if reset:
                return wipe()
            Hub(Journal()).up()
        except Stopped:
            return None
        except CannotStart as reason:
            raise CommandError(str(reason)) from reason
