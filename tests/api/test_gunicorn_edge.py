"""Whose word about the client is believed, through the web server as it is shipped: gunicorn has an opinion of its own (E4)."""

import httpx
import pytest
from sqlalchemy import select

import config
from akount.lifecycle import Runtime
from akount.models import AuditEntry
from fresh import make_settings, postgres_copy
from make import pdf
from people import People, settle_in
from servers import Server
from web import Web

FORGED = {"X-Forwarded-For": "203.0.113.1, 203.0.113.2", "X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> config.Settings:
    return make_settings(tmp_path_factory.mktemp("web"), postgres_copy(postgres))


@pytest.fixture(scope="module")
def people(runtime: Runtime) -> People:
    return settle_in(runtime.database)


@pytest.mark.parametrize(("hops", "address", "secure"), [("0", "127.0.0.1", False), ("1", "203.0.113.2", True)])
def test_only_the_proxies_that_were_counted_are_believed(
    settings: config.Settings, runtime: Runtime, people: People, hops: str, address: str, secure: bool
) -> None:
    with Web(settings, WEB_PROCESSES="1", TRUSTED_PROXY_HOPS=hops, FORWARDED_ALLOW_IPS="*") as web:
        job = web.upload(people.ada, pdf()).json()["jobId"]
        answer = web.get(f"/api/ai/jobs/{job}", people.ada.headers | FORGED)
        assert answer.status_code == 200
        assert ("Strict-Transport-Security" in answer.headers) is secure
        headers = people.ada.headers | FORGED | {"X-Request-ID": f"behind-{hops}-proxies"}
        assert httpx.post(f"{web.url}/api/ai/jobs/{job}/cancel", headers=headers, timeout=30, trust_env=False).status_code == 200
    with runtime.database.snapshot() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.request_id == f"behind-{hops}-proxies")).one()
    assert entry.address == address


def test_a_doubt_about_the_settings_is_one_line_of_the_log(settings: config.Settings) -> None:
    with Web(settings, WEB_PROCESSES="2", CORS_ORIGINS="*") as web:
        said = [line["detail"] for line in web.lines() if line["event"] == "setting"]
    assert said == ["CORS_ORIGINS is *: any page may call the API."]
