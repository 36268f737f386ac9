"""`manage.py rotate`: put everything encrypted under the keys in force. May be stopped and begun again."""

from django.core.management.base import BaseCommand, CommandError

from sync import rotation


class Command(BaseCommand):
    help = "Re-seal what an older key sealed and fill the blind indexes of every key, while the hub runs"

    def add_arguments(self, parser):
        parser.add_argument("--check", action="store_true", help="only say what is left to do; fails if there is any")

    def handle(self, *, check: bool, **options):
        if not check:
            for step in rotation.rotate():
                self.stdout.write(f"{step.table}: {step.done} of {step.due}")
        left = rotation.left()
        for table, rows in left.items():
            self.stdout.write(f"{table}: {rows} left")
        if left:
            raise CommandError("Not everything is under the keys in force: run `manage.py rotate`")
        self.stdout.write("Everything is under the keys in force: keys that stand behind the first may be removed")
