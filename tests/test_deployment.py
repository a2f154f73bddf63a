"""What is shipped to deploy with keeps its promises: held against the schemas of Compose and Kubernetes, and read (D2-D5, H5)."""

import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import psycopg2
import pytest
import redis
import trustme
import yaml

import config
from akount.api.uploads import FORM_OVERHEAD
from akount.plans import ALLOWANCES
from proxy import NGINX, Proxy
from servers import Server, free_port, postgres_programs, redis_program

ROOT = Path(__file__).parent.parent
SCHEMAS = Path(__file__).parent / "schemas"
SETTINGS = {config.variable(f) for f in config.DECLARED}
KUBERNETES = sorted(path for path in (ROOT / "deploy" / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))


class Compose(yaml.SafeLoader):
    """YAML with the marks that only Compose knows."""


Compose.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def composed(name: str = "docker-compose.yml") -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((ROOT / name).read_text(), Loader=Compose)
    return found


SERVICES = composed()["services"]
OURS = ("web", "worker", "prepare")


def manifests() -> list[dict[str, Any]]:
    return [found for path in KUBERNETES for found in yaml.safe_load_all(path.read_text())]


def manifest(kind: str, name: str) -> dict[str, Any]:
    [found] = [one for one in manifests() if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.override.yml"])
def test_compose_files_are_of_the_schema(name: str) -> None:
    schema = json.loads((SCHEMAS / "compose-spec.json").read_text())
    found = composed(name)
    found.pop("name", None)  # the schema is of 2021, and older than this
    jsonschema_rs.validator_for(schema).validate(found)


def test_nothing_but_nginx_is_published() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert not [name for name, service in SERVICES.items() if "network_mode" in service]
    assert composed()["networks"]["inside"] == {"internal": True}
    behind = {name for name, service in SERVICES.items() if service["networks"] == ["inside"]}
    assert behind == {"prepare", "postgres", "redis", "objects"}


def test_workers_reach_whom_they_are_to_tell_and_ask() -> None:
    assert SERVICES["worker"]["networks"] == ["outside", "inside"]
    told = {"ALERT_WEBHOOK_URL", "ALERT_WEBHOOK_SECRET", "ALERT_EMAIL_TO", "ALERT_EMAIL_FROM"}
    told |= {"SMTP_HOST", "SMTP_PORT", "SMTP_USERNAME", "SMTP_PASSWORD"}
    assert told | {"MISTRAL_API_KEY", "ANTHROPIC_API_KEY", "CLAMAV_HOST"} <= set(SERVICES["worker"]["environment"])


def test_what_development_opens_is_open_to_this_machine_only() -> None:
    opened = [port for service in composed("docker-compose.override.yml")["services"].values() for port in service.get("ports", ())]
    assert opened
    assert all(port.startswith("127.0.0.1:") for port in opened)


def test_a_start_waits_until_what_it_stands_on_is_well() -> None:
    healthy, done = {"condition": "service_healthy"}, {"condition": "service_completed_successfully"}
    assert SERVICES["nginx"]["depends_on"] == {"web": healthy}
    for name in ("web", "worker"):
        assert SERVICES[name]["depends_on"] == {"postgres": healthy, "redis": healthy, "prepare": done}
    assert SERVICES["prepare"]["depends_on"] == {"postgres": healthy, "redis": healthy, "objects": healthy}
    for name, service in SERVICES.items():
        check = service["healthcheck"]
        assert check == {"disable": True} if name == "prepare" else check["test"] and check["retries"], name


def test_everything_has_the_time_it_needs_to_stop() -> None:
    assert {SERVICES[name]["stop_grace_period"] for name in ("nginx", "web", "worker", "redis")} == {"35s"}
    assert int(SERVICES["postgres"]["stop_grace_period"][:-1]) >= 35
    assert config.Settings().stop_seconds < 35


def test_our_containers_can_do_nothing_but_their_work() -> None:
    for name in (*OURS, "nginx"):
        service = SERVICES[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "user" not in service, "the image's own: 1001"
        assert not service.get("privileged")
    assert "USER 1001:1001" in (ROOT / "Dockerfile").read_text()


def test_every_password_is_asked_for_and_none_stands_in_a_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    secret = r"SECRET_KEY|DATABASE_PASSWORD|POSTGRES_PASSWORD|REDIS_PASSWORD|SPACES_ACCESS_KEY|SPACES_SECRET_KEY|OBJECTS_KEY"
    used = re.findall(rf"(?<!\$)\$\{{({secret})(?!_)([^}}]*)\}}", text)
    assert {name for name, _ in used} == set(secret.split("|"))
    assert all(rest.startswith(":?") for _, rest in used), "without one nothing starts"
    example = dict(
        line.split("=", 1) for line in (ROOT / "deploy/compose/example.env").read_text().splitlines() if re.match(r"\w+=", line)
    )
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    assert asked <= set(example)
    assert {example[name] for name in asked} == {""}


def test_containers_are_told_settings_that_there_are() -> None:
    for name in OURS:
        assert set(SERVICES[name]["environment"]) <= SETTINGS
    said = manifest("ConfigMap", "akount-settings")["data"] | manifest("Secret", "akount-secrets")["stringData"]
    assert set(said) <= SETTINGS


def test_the_environment_of_the_containers_lets_production_start(tmp_path: Path) -> None:
    """With the example filled in, as Compose would."""
    filled = {}
    for name, value in SERVICES["web"]["environment"].items():
        given = re.sub(r"\$\{(\w+):\?[^}]*\}", "1f3870be274f6c49b3e31a0c6728957f", value)
        filled[name] = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", given)
    settings = config.load(filled, env_file=tmp_path / "none")
    assert settings.production
    assert settings.storage == "s3://papers"
    assert settings.redis is not None
    assert settings.redis.startswith("redis://")


def test_images_are_pinned() -> None:
    for name, service in SERVICES.items():
        if name not in OURS:
            assert re.search(r":[\w.-]*\d", service["image"]), name
            assert not service["image"].endswith(":latest")


@pytest.fixture
def queue_server(tmp_path: Path) -> Iterator[redis.Redis]:
    """A server with the configuration that is shipped."""
    port = free_port()
    shipped = ROOT / "deploy" / "redis" / "akount.conf"
    command = [str(redis_program()), str(shipped), "--requirepass", "secret", "--bind", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--dir", str(tmp_path)], stdout=log, stderr=log)
    client = redis.Redis(port=port, password="secret", retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 200))
    yield client
    client.close()
    process.terminate()
    process.wait(60)


def test_redis_throws_nothing_away_and_forgets_nothing(queue_server: redis.Redis) -> None:
    assert queue_server.info("memory")["maxmemory_policy"] == "noeviction"
    assert queue_server.info("persistence")["aof_enabled"] == 1
    command = SERVICES["redis"]["command"][-1]
    assert "/etc/redis/akount.conf" in command
    assert '--requirepass "$$REDIS_PASSWORD"' in command, "from the environment of the container, not from this file"


def test_the_role_of_the_database_is_an_ordinary_one(postgres: Server) -> None:
    """A superuser would be beyond row-level security."""
    psql = shutil.which("psql") or shutil.which("psql", path=str(postgres_programs()))
    if psql is None or not postgres.controlled:
        pytest.skip("needs psql and a Postgres of our own")
    port = re.search(r":(\d+)/", postgres.url)
    assert port is not None
    environ = {"PATH": f"{Path(psql).parent}:{os.environ['PATH']}", "AKOUNT_DATABASE_PASSWORD": "it's", "POSTGRES_USER": "akount"}
    script = (ROOT / "deploy/postgres/role.sh").read_text()
    script = re.sub(r"\bakount\b", "shipped", script)  # the server's own role is called akount
    done = subprocess.run(
        ["sh", "-c", script], env=environ | {"PGHOST": "127.0.0.1", "PGPORT": port[1]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with psycopg2.connect(postgres.url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = 'shipped'")
        assert cursor.fetchone() == (False, False, True)
        cursor.execute("SELECT rolname FROM pg_database d JOIN pg_roles r ON r.oid = datdba WHERE datname = 'shipped'")
        assert cursor.fetchone() == ("shipped",)
    connection.close()


def test_manifests_are_of_the_schema() -> None:
    schema = json.loads((SCHEMAS / "kubernetes-1.34.json").read_text())
    for found in manifests():
        if found["kind"] != "ScaledObject":  # of KEDA, not of Kubernetes
            jsonschema_rs.validator_for(schema | {"$ref": f"#/$defs/kind.{found['kind']}"}).validate(found)


def test_a_file_of_the_greatest_plan_comes_through_every_door_that_is_shipped() -> None:
    greatest = max(config.Settings.max_upload_bytes, *(allowed.size for allowed in ALLOWANCES.values())) + FORM_OVERHEAD
    (ingress,) = (found for found in manifests() if found["kind"] == "Ingress")
    said = [ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]]
    said += re.findall(r"client_max_body_size (\S+);", (ROOT / "deploy" / "nginx" / "akount.conf.template").read_text())
    assert max(said) == said[0], "both doors are as wide"
    assert greatest <= int(said[0].removesuffix("m")) << 20 < 2 * greatest


def test_the_schema_refuses_what_is_misspelt() -> None:
    schema = json.loads((SCHEMAS / "kubernetes-1.34.json").read_text()) | {"$ref": "#/$defs/kind.Deployment"}
    spoilt = manifest("Deployment", "akount-web")
    spoilt["spec"]["template"]["spec"]["terminationGracePeriod"] = 35
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validator_for(schema).validate(spoilt)


def test_kustomize_names_every_manifest() -> None:
    named = yaml.safe_load((ROOT / "deploy/kubernetes/kustomization.yaml").read_text())["resources"]
    assert {name.replace("secret.yaml", "secret.example.yaml") for name in named} == {path.name for path in KUBERNETES}


@pytest.mark.parametrize("part", ["web", "worker"])
def test_pods_stop_gently_and_can_do_nothing_but_their_work(part: str) -> None:
    pod = manifest("Deployment", f"akount-{part}")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 35
    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (1001, True)
    [container] = pod["containers"]
    inside = container["securityContext"]
    assert (inside["readOnlyRootFilesystem"], inside["allowPrivilegeEscalation"]) == (True, False)
    assert inside["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    assert {"startupProbe", "livenessProbe"} <= set(container)
    budget = manifest("PodDisruptionBudget", f"akount-{part}")
    assert budget["spec"]["selector"]["matchLabels"].items() <= pod_labels(part).items()


def pod_labels(part: str) -> dict[str, str]:
    labels: dict[str, str] = manifest("Deployment", f"akount-{part}")["spec"]["template"]["metadata"]["labels"]
    return labels


def test_a_web_pod_leaves_the_balancer_before_it_stops_within_its_grace() -> None:
    [container] = manifest("Deployment", "akount-web")["spec"]["template"]["spec"]["containers"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    stop = int({one["name"]: one["value"] for one in container["env"]}["STOP_SECONDS"])
    assert pause + stop < 35
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live", "a database that is away restarts nobody"


def test_workers_are_scaled_on_what_waits() -> None:
    scaled = manifest("ScaledObject", "akount-worker")
    assert scaled["spec"]["scaleTargetRef"] == {"name": "akount-worker"}
    assert scaled["spec"]["minReplicaCount"] >= 1
    queries = [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]
    named = set(re.findall(r"akount_\w+", " ".join(queries)))
    assert named == {"akount_queue_jobs", "akount_queue_oldest_wait_seconds"}
    assert all(f"`{name}`" in (ROOT / "docs/metrics.md").read_text() for name in named)
    assert "replicas" not in manifest("Deployment", "akount-worker")["spec"], "the scaler's business"


@pytest.mark.parametrize("path", UNITS, ids=[path.stem for path in UNITS])
def test_units_stop_gently_and_never_as_root(path: Path) -> None:
    said = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and not line.startswith("#"))
    assert said["User"] == "akount"
    assert said["ProtectSystem"] == "strict"
    if said["Type"] != "oneshot":
        assert (said["KillMode"], said["KillSignal"], said["TimeoutStopSec"]) == ("mixed", "SIGTERM", "35")
        assert said["RestartPreventExitStatus"] == "2"
    if analyze := shutil.which("systemd-analyze"):
        done = subprocess.run([analyze, "verify", str(path)], capture_output=True, text=True, check=False)
        unknown = [line for line in done.stderr.splitlines() if "Unknown" in line or "Failed to parse" in line]
        assert unknown == []


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt install nginx-light")
def test_nginx_speaks_tls_and_sends_plain_http_there(tmp_path: Path) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("akount.example.com", "127.0.0.1")
    (tmp_path / "privkey.pem").write_bytes(made.private_key_pem.bytes())
    (tmp_path / "fullchain.pem").write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    with Proxy(tmp_path, "127.0.0.1:9", tls=tmp_path) as proxy:
        answer = httpx.get(f"https://127.0.0.1:{proxy.port}/health/live", verify=trusted, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), "nobody is behind it"
        sent = httpx.get(f"http://127.0.0.1:{proxy.plain_port}/a?b=c", headers={"Host": "akount.example.com"}, trust_env=False)
        assert (sent.status_code, sent.headers["Location"]) == (308, "https://akount.example.com/a?b=c")
