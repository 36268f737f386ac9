"""`manage.py relay`: settles events and fans them out until SIGTERM."""

from django.core.management.base import BaseCommand

from sync import relay


class Command(BaseCommand):
    help = "Give committed events their place, fan them out to endpoints and tell the sockets."

    def handle(self, **_options):
        relay.main()
