"""`manage.py courier`: pushes facts to the channels' endpoints until SIGTERM."""

from django.core.management.base import BaseCommand

from sync.courier import work


class Command(BaseCommand):
    help = "Push facts to the endpoints of channels, signed, in order, again when they fail."

    def handle(self, **_options):
        work.serve(work.main())
