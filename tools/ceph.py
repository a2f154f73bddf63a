"""Runs a command beside a real S3 server: Ceph's object gateway, from Debian's packages, without installing anything.

`make test-s3` runs the tests of the storage against it. The packages are unpacked below build/ceph (some 300 MB, once) and
everything the servers keep goes away with them. It needs Debian (apt-get, dpkg) and no rights.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

from servers import free_port

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd")
ACCESS_KEY, SECRET_KEY = "akount-test", "secret-of-the-test"
READY_SECONDS = 120
CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_port}]
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
public_addr = 127.0.0.1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_class_dir = {libraries}/rados-classes
plugin_dir = {libraries}/ceph
erasure_code_dir = {libraries}/ceph/erasure-code
mon_data = {home}/mon
osd_data = {home}/osd
rgw_data = {home}/rgw
run_dir = {home}
admin_socket =
log_file = {home}/$name.log
mon_cluster_log_file = {home}/cluster.log
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_crypt_require_ssl = false
rgw_crypt_default_encryption_key = {key}
"""


class Ceph:
    """One monitor, one store in memory, one gateway."""

    def __init__(self, root: Path, home: Path) -> None:
        self._root, self._home, self.port, self._mon_port = root, home, free_port(), free_port()
        self._libraries = root / "usr/lib" / "x86_64-linux-gnu"
        self._configuration = home / "ceph.conf"
        self._fsid = str(uuid.uuid4())
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        for name in ("mon", "osd", "rgw"):
            (self._home / name).mkdir()
        key = "YWtvdW50LWFrb3VudC1ha291bnQtYWtvdW50LTEyMzQ="  # 32 bytes, worth nothing
        said = {"fsid": self._fsid, "mon_port": self._mon_port, "libraries": self._libraries, "home": self._home}
        self._configuration.write_text(CONFIGURATION.format(**said, port=self.port, key=key))
        addresses = f"[v2:127.0.0.1:{self._mon_port}]"
        monmap = str(self._home / "monmap")
        self._run("monmaptool", "--create", "--addv", "a", addresses, "--fsid", self._fsid, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._launch("ceph-mon", "-f", "-i", "a")
        osd = str(uuid.uuid4())
        self._command("osd", "new", osd)
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", osd)
        self._launch("ceph-osd", "-f", "-i", "0")
        self._launch("radosgw", "-f", "-n", "client.rgw")
        self._await_gateway()
        keys = ("--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY)
        self._run("radosgw-admin", "user", "create", "--uid", "akount", "--display-name", "Akount", *keys)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGKILL)  # nothing it keeps is wanted
            process.wait()

    def _environment(self) -> dict[str, str]:
        """Libraries and Python modules of the packages, before those of the system."""
        places = [self._libraries, self._libraries / "ceph", self._root / "lib/x86_64-linux-gnu"]
        return os.environ | {
            "LD_LIBRARY_PATH": ":".join(map(str, places)),
            "PYTHONPATH": str(self._root / "usr/lib/python3/dist-packages"),
            "CEPH_CONF": str(self._configuration),
        }

    def _program(self, name: str, *arguments: str) -> list[str]:
        return [str(self._root / "usr/bin" / name), "-c", str(self._configuration), *arguments]

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(self._program(name, *arguments), env=self._environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name} ended with {done.returncode}\n{done.stdout}{done.stderr}")

    def _command(self, *words: str) -> None:
        """A command to the monitor; the program is a Python script of Debian's own Python."""
        program = ["/usr/bin/python3", *self._program("ceph", "--connect-timeout", "30", *words)]
        done = subprocess.run(program, env=self._environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"ceph {' '.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr}")

    def _launch(self, name: str, *arguments: str) -> None:
        with (self._home / f"{name}.out").open("wb") as log:
            self._processes.append(
                subprocess.Popen(self._program(name, *arguments), env=self._environment(), stdout=log, stderr=log)
            )

    def _await_gateway(self) -> None:
        ends = time.monotonic() + READY_SECONDS
        while time.monotonic() < ends:
            if any(process.poll() is not None for process in self._processes):
                break
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(self.endpoint, timeout=2).close()
                return
            time.sleep(0.2)
        logs = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in self._home.glob("*.out"))
        raise SystemExit(f"the gateway did not start in {READY_SECONDS} s\n{logs}")


def unpack(directory: Path) -> Path:
    """The packages and what they stand on that is not installed here, unpacked; once."""
    root, done = directory / "root", directory / "done.json"
    if done.exists():
        return root
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise SystemExit("This needs Debian's apt-get and dpkg; the quick suite tests the storage against moto.")
    debs = directory / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    plan = _said("apt-get", "install", "--simulate", "--no-install-recommends", *PACKAGES)
    names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    print(f"Unpacking {len(names)} packages below {directory} …", flush=True)
    _said("apt-get", "download", "-qq", *names, cwd=debs)
    for deb in sorted(debs.glob("*.deb")):
        _said("dpkg", "-x", str(deb), str(root))
    shutil.rmtree(debs)
    done.write_text(json.dumps(names))
    return root


def _said(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} …: {done.stderr.strip()[-800:]} (apt-get update may help)")
    return done.stdout


@contextlib.contextmanager
def gateway(packages: Path) -> Iterator[Ceph]:
    """A gateway with a user; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="akount-ceph-") as home:
        ceph = Ceph(unpack(packages.resolve()), Path(home))
        try:
            ceph.start()
            yield ceph
        finally:
            ceph.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.ceph", description=__doc__)
    parser.add_argument("--packages", type=Path, default=Path("build/ceph"))
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run beside it, after --")
    asked = parser.parse_args()
    command = asked.command[asked.command[:1] == ["--"] :]
    if not command:
        parser.error("say after -- what is to be run beside it")
    started = time.monotonic()
    with gateway(asked.packages) as ceph:
        print(f"Ceph's gateway answers at {ceph.endpoint} after {time.monotonic() - started:.0f} s", flush=True)
        keys = {"TEST_S3_ACCESS_KEY": ACCESS_KEY, "TEST_S3_SECRET_KEY": SECRET_KEY}
        environment = os.environ | {"TEST_S3_ENDPOINT": ceph.endpoint, **keys}
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
