from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Fills an empty database with the sandbox's brand, members and history; does nothing when that was done."

    def handle(self, *args, **options):
        if not settings.SANDBOX:
            raise CommandError("There is a seed only with HUB_SANDBOX=1")
        from config.sandbox import seed  # noqa: PLC0415 - its models exist only in the sandbox

        try:
            seeded = seed.run()
        except (seed.NotSandbox, seed.Busy) as reason:
            raise CommandError(str(reason)) from reason
        if options["verbosity"]:
            self.stdout.write("Seeded" if seeded else "Already seeded")
