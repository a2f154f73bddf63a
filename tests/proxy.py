"""nginx as it is shipped (deploy/nginx), for tests: a real one in front of a real web server."""

import os
import shutil
import string
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx

from servers import free_port
from service import PLAIN, ROOT

NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
SHIPPED = ROOT / "deploy" / "nginx"

MAIN = """\
daemon off;
{user}worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/akount.conf;
}}
"""
"""What the image of nginx brings itself."""


class Proxy:
    """An nginx of our own, on a free port of this machine."""

    def __init__(self, directory: Path, web: str, tls: Path | None = None) -> None:
        """`tls`: a directory with fullchain.pem and privkey.pem; then `port` speaks TLS and `plain_port` sends there."""
        assert NGINX is not None
        self.port, self.plain_port, self._directory = free_port(), free_port(), directory
        said = {"AKOUNT_LISTEN": f"127.0.0.1:{self.port}", "AKOUNT_WEB": web, "AKOUNT_NGINX_DIR": str(SHIPPED)}
        conf = (SHIPPED / "akount.conf.template").read_text()
        if tls is not None:
            conf += (SHIPPED / "tls.conf.template").read_text()
            said |= {"AKOUNT_TLS_DIR": str(tls), "AKOUNT_LISTEN_PLAIN": f"127.0.0.1:{self.plain_port}"}
            said["AKOUNT_LISTEN"] += " ssl"
        conf = _filled(conf, said)
        (directory / "akount.conf").write_text(conf.replace("/dev/stdout", str(self.access_log)))
        (directory / "nginx.conf").write_text(MAIN.format(directory=directory, user="user root;\n" if os.geteuid() == 0 else ""))
        command = [NGINX, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(directory / "nginx.conf")]
        self.process = subprocess.Popen(command, start_new_session=True)

    @property
    def access_log(self) -> Path:
        return self._directory / "access.log"

    @property
    def error_log(self) -> str:
        return (self._directory / "error.log").read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 20
        while True:
            assert self.process.poll() is None, self.error_log
            try:
                httpx.get(self.url + "/health/live", timeout=5, **PLAIN)
                return self
            except httpx.TransportError:
                assert time.monotonic() < deadline, self.error_log
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(15)


def _filled(template: str, said: dict[str, str]) -> str:
    """As envsubst fills in the variables it is given, and leaves those of nginx alone."""

    class Ours(string.Template):
        pattern = r"\$(?:\{(?P<braced>AKOUNT_[A-Z_]+)\}|(?P<escaped>(?!))|(?P<named>(?!))|(?P<invalid>(?!)))"

    return Ours(template).substitute(said)
