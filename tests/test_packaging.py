"""What ships the service: read as their tools read them, and held against the code. None was run: no engine is here."""

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from aisle.cli.serve import serve
from aisle.serve.app import ROUTERS
from aisle.serve.security.keys import KeyStore
from aisle.serve.settings import Settings, read_config

ROOT = Path(__file__).parent.parent
OPS = ROOT / "ops"
INSTRUCTIONS = {
    "FROM", "RUN", "CMD", "LABEL", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME", "USER", "WORKDIR", "ARG",
    "STOPSIGNAL", "HEALTHCHECK", "SHELL",
}  # fmt: skip
ROUTES = {prefix + route.path for prefix, router in ROUTERS for route in router.routes}


def parsed_dockerfile():
    """Stages, each a list of (instruction, rest)."""
    text = re.sub(r"^[ \t]*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    stages = []
    for line in lines:
        name, _, rest = line.partition(" ")
        assert name in INSTRUCTIONS, line
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest.strip()))
    return stages


STAGES = parsed_dockerfile()


def last(stage, name):
    return [rest for instruction, rest in stage if instruction == name][-1]


def accepted(arguments):
    """What `aisle serve` makes of arguments; it would say what is wrong with them."""
    assert all(isinstance(one, str) for one in arguments)
    return serve.make_context("serve", list(arguments)).params


def test_the_image_is_made_of_what_is_there():
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.partition("#")[0].strip()]
    copied = []
    for stage in STAGES:
        for name, rest in stage:
            if name in ("COPY", "ADD") and not rest.startswith("--from"):
                copied += rest.split()[:-1]
    assert set(copied) == {"requirements.lock", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "aisle"}
    for source in copied:
        assert (ROOT / source).exists()
        kept = False
        for pattern in ignored:  # the last that fits decides
            if fnmatch.fnmatch(source, pattern.removeprefix("!")):
                kept = pattern.startswith("!")
        assert kept, source
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied)
    wanted = re.search(r"'\.\[(\w+)\]'", last(STAGES[0], "RUN"))[1]
    assert wanted in project["optional-dependencies"]
    assert all("torch" not in one for one in (*project["dependencies"], *project["optional-dependencies"][wanted]))


def test_the_constraints_are_those_of_the_lock(tmp_path):
    (step,) = [rest for name, rest in STAGES[0] if name == "RUN" and "constraints.txt" in rest and "sed" in rest]
    command = step.split("&&")[0].replace("/tmp/requirements.lock", str(ROOT / "requirements.lock"))
    made = tmp_path / "constraints.txt"
    subprocess.run(command.replace("/tmp/constraints.txt", str(made)), shell=True, check=True)
    found = [Requirement(line) for line in made.read_text().splitlines() if line.partition("#")[0].strip()]
    names = {one.name for one in found}
    assert all(str(one.specifier).startswith("==") for one in found)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {Requirement(one).name for one in project["dependencies"]} <= names
    python = re.search(r"python:(\d\.\d+)", STAGES[0][0][1])[1]
    chosen = [one.name for one in found if one.marker is None or one.marker.evaluate({"python_full_version": python})]
    assert len(chosen) == len(set(chosen))


def test_the_image_runs_as_nobody_and_serves():
    build, final = STAGES
    assert build[0][1].endswith(" AS build")
    assert build[0][1].split()[0] == final[0][1]
    assert not any("pip" in rest or "gcc" in rest for name, rest in final if name == "RUN")
    users = [number for number, (name, _) in enumerate(final) if name == "USER"]
    assert last(final, "USER") == "10001:10001"
    assert all(name not in ("RUN", "COPY", "ADD") for name, _ in final[users[0] :])
    entry, command = json.loads(last(final, "ENTRYPOINT")), json.loads(last(final, "CMD"))
    assert entry == ["aisle", "serve"]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["aisle"]
    given = accepted(command)
    assert (str(given["port"]), given["host"]) == (last(final, "EXPOSE"), "0.0.0.0")
    assert given["folder"].parent == Path(last(final, "WORKDIR"))
    health = re.search(r"CMD (\[.*\])", last(final, "HEALTHCHECK"))[1]
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/[a-z/]+)", json.loads(health)[-1])
    assert address[1] == str(given["port"])
    assert address[2] in ROUTES
    compile(json.loads(health)[-1], "health", "exec")


# --- compose ---------------------------------------------------------------------------------------------------

COMPOSE = yaml.safe_load((OPS / "compose" / "compose.yaml").read_text())


def test_compose_mounts_what_is_there_and_asks_for_nothing_open():
    services = COMPOSE["services"]
    assert set(services) == {"aisle", "prometheus", "grafana"}
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")  # open to this machine alone
        for volume in service["volumes"]:
            source, target, *_ = volume.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (OPS / "compose" / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]
        for secret in service.get("secrets", []):
            assert secret in COMPOSE["secrets"]
        for other in service.get("depends_on", []):
            assert other in services
    aisle = services["aisle"]
    assert aisle["read_only"] is True
    assert (OPS / "compose" / aisle["build"] / "Dockerfile").exists()
    given = accepted(aisle["command"])
    assert given["config_file"] == Path("/etc/aisle/aisle.toml")
    grace = read_config(OPS / "compose" / "aisle.toml").settings.grace_s
    assert int(aisle["stop_grace_period"].removesuffix("s")) > grace + 5


def test_prometheus_and_grafana_find_each_other():
    services = COMPOSE["services"]
    mounts = {volume.split(":")[1]: volume.split(":")[0] for one in services.values() for volume in one["volumes"]}
    config = yaml.safe_load((OPS / "compose" / "prometheus.yml").read_text())
    assert set(config["rule_files"]) <= set(mounts)
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "aisle"  # the alert of a service that is down asks for this job
    assert 'up{job="aisle"}' in (OPS / "prometheus" / "aisle.rules.yml").read_text()
    assert job["metrics_path"] in ROUTES
    ((host, port),) = [target.split(":") for target in job["static_configs"][0]["targets"]]
    assert host in services
    assert port == str(accepted(services["aisle"]["command"])["port"])
    secret = Path(job["authorization"]["credentials_file"])
    assert (secret.parent, secret.name) == (Path("/run/secrets"), services["prometheus"]["secrets"][0])
    source = yaml.safe_load((OPS / "compose" / "grafana" / "datasource.yaml").read_text())["datasources"][0]
    assert source["url"].split("//")[1].split(":")[0] in services
    board = yaml.safe_load((OPS / "compose" / "grafana" / "dashboards.yaml").read_text())["providers"][0]
    folder = OPS / "compose" / mounts[board["options"]["path"]]
    assert [path.name for path in folder.glob("*.json")] == ["aisle.json"]
    for config_file in services["prometheus"]["command"]:
        if config_file.startswith("--config.file="):
            assert config_file.partition("=")[2] in mounts


# --- Kubernetes ------------------------------------------------------------------------------------------------

KUBERNETES = OPS / "kubernetes"
FILES = sorted(path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml")
OBJECTS = [one for path in FILES for one in yaml.safe_load_all(path.read_text())]


def of(kind, name="aisle"):
    (found,) = [one for one in OBJECTS if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


POD = of("StatefulSet")["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def test_every_manifest_is_listed_and_labelled():
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == [path.name for path in FILES]
    kinds = [one["kind"] for one in OBJECTS]
    assert {"StatefulSet", "Service", "ConfigMap", "PersistentVolumeClaim"} <= set(kinds)
    assert {"HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"} <= set(kinds)
    for one in OBJECTS:
        assert one["apiVersion"]
        assert one["metadata"]["labels"]["app.kubernetes.io/name"] == "aisle"
    labels = POD["metadata"]["labels"]
    for selector in (
        of("StatefulSet")["spec"]["selector"]["matchLabels"],
        of("Service")["spec"]["selector"],
        of("Service", "aisle-pods")["spec"]["selector"],
        of("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert of("StatefulSet")["spec"]["serviceName"] == "aisle-pods"
    assert of("Service", "aisle-pods")["spec"]["clusterIP"] == "None"


def test_probes_ask_for_routes_and_the_end_is_waited_for(tmp_path):
    given = accepted(CONTAINER["args"])
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == given["port"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = CONTAINER[probe]["httpGet"]
        assert asked["path"] in ROUTES
        assert asked["port"] == port["name"]
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/health/live"  # a full queue is no reason to kill
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    for service in ("aisle", "aisle-pods"):
        assert of("Service", service)["spec"]["ports"][0]["targetPort"] == port["name"]
    assert of("NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]
    (tmp_path / "aisle.toml").write_text(of("ConfigMap")["data"]["aisle.toml"])
    settings = read_config(tmp_path / "aisle.toml").settings
    pause = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["spec"]["terminationGracePeriodSeconds"] > settings.grace_s + 5 + pause
    config = next(mount for mount in CONTAINER["volumeMounts"] if mount["name"] == "config")
    assert given["config_file"] == Path(config["mountPath"]) / "aisle.toml"


def test_a_pod_may_do_nothing_but_write_its_data():
    spec = POD["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    claims = {one["metadata"]["name"] for one in of("StatefulSet")["spec"]["volumeClaimTemplates"]}
    for container in (*spec["initContainers"], CONTAINER):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["image"] == COMPOSE["services"]["aisle"]["image"]
        assert "limits" in container["resources"]
        for mount in container["volumeMounts"]:
            assert mount["name"] in volumes.keys() | claims
            assert mount.get("readOnly") or mount["name"] in ("data", "tmp")
    uid = int(last(STAGES[1], "USER").split(":")[0])
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == uid == spec["securityContext"]["fsGroup"]
    assert spec["automountServiceAccountToken"] is False
    assert of("PersistentVolumeClaim", volumes["index"]["persistentVolumeClaim"]["claimName"])


def test_what_a_pod_mounts_is_made_by_a_manifest_or_by_a_step_of_the_docs_and_by_one_alone():
    section = (ROOT / "docs" / "deployment.md").read_text().partition("## Kubernetes")[2]
    steps = section.partition("```sh\n")[2].partition("kubectl apply -k")[0]
    made = {
        ({"secret": "Secret", "configmap": "ConfigMap"}[kind], name): set(re.findall(r"--from-file=([^=\s]+)=", rest))
        for kind, name, rest in re.findall(r"^kubectl create (secret|configmap) (?:generic )?(\S+)(.*)$", steps, re.M)
    }
    listed = {(one["kind"], one["metadata"]["name"]): set(one.get("data", {})) for one in OBJECTS}
    assert not made.keys() & listed.keys()  # `kubectl apply` would put the one over the other
    mounted = {("Secret", one["secret"]["secretName"]) for one in POD["spec"]["volumes"] if "secret" in one}
    mounted |= {("ConfigMap", one["configMap"]["name"]) for one in POD["spec"]["volumes"] if "configMap" in one}
    assert mounted == {("Secret", "aisle-keys"), ("ConfigMap", "aisle")}
    there = made | listed
    assert there[("Secret", "aisle-keys")] == {"keys.json"}
    assert there[("ConfigMap", "aisle")] == {"aisle.toml"}
    (keys,) = re.findall(r"--from-file=keys.json=(\S+)", steps)  # where `aisle keys create shop` puts them
    assert Path(keys) == Settings().state_folder(Path("shop")).relative_to(Path.cwd()) / "keys.json"
    assert steps.index("aisle keys create shop") < steps.index("kubectl create secret")


def test_a_pods_first_start_copies_the_index_and_keys_and_a_second_leaves_them(tmp_path):
    """The script of the init container, run as it is, with other folders."""
    (container,) = POD["spec"]["initContainers"]
    script = container["args"][0]
    for name in ("data", "index", "keys"):
        (tmp_path / name).mkdir()
        script = script.replace(f"/{name}/", f"{tmp_path}/{name}/")
    (tmp_path / "index" / "shop").mkdir()
    (tmp_path / "index" / "shop" / "manifest.json").write_text("{}")
    key, _ = KeyStore(tmp_path / "keys" / "keys.json").create("website", ["search"])
    for _ in range(2):
        subprocess.run([*container["command"], script], check=True)
    data = tmp_path / "data"
    assert (data / "shop").is_symlink()  # so that `aisle promote` can move it
    assert sorted(path.name for path in data.iterdir()) == ["shop", "shop-1", "shop.state"]
    assert (data / "shop" / "manifest.json").read_text() == "{}"
    assert Settings().state_folder(data / "shop") == data / "shop.state"
    assert KeyStore(data / "shop.state" / "keys.json").all() == (key,)  # so it may listen to others
    (data / "shop.state" / "keys.json").write_text('{"mine": 1}')
    subprocess.run([*container["command"], script], check=True)
    assert (data / "shop.state" / "keys.json").read_text() == '{"mine": 1}'


def test_the_autoscaler_asks_for_metrics_that_the_adapter_makes_of_ours():
    scaler = of("HorizontalPodAutoscaler")["spec"]
    target = scaler["scaleTargetRef"]
    assert of(target["kind"], target["name"])["apiVersion"] == target["apiVersion"]
    assert 1 < scaler["minReplicas"] < scaler["maxReplicas"]
    rules = yaml.safe_load(of("ConfigMap", "aisle-adapter-rules")["data"]["config.yaml"])["rules"]
    made = {rule["name"]["as"] for rule in rules}
    assert {one["pods"]["metric"]["name"] for one in scaler["metrics"]} == made
    shown = (OPS / "grafana" / "aisle.json").read_text()  # a test holds it against what a service exposes
    for rule in rules:
        (series,) = set(re.findall(r"aisle_\w+", rule["seriesQuery"]))
        assert series in shown
        for route in re.findall(r'route="([^"]*)"', rule["metricsQuery"]):
            assert route in ROUTES
        assert rule["metricsQuery"].count("(") == rule["metricsQuery"].count(")")


# --- systemd ---------------------------------------------------------------------------------------------------

UNIT = OPS / "systemd" / "aisle.service"


def unit_values(name):
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_the_unit_starts_the_service_and_waits_for_its_end():
    program, *arguments = shlex.split(unit_values("ExecStart")[0])
    assert Path(program).name == "aisle"
    assert arguments[0] == "serve"
    given = accepted(arguments[1:])
    assert given["folder"] == Path("/var/lib") / unit_values("StateDirectory")[0] / "shop"
    assert given["config_file"] == Path("/etc") / unit_values("ConfigurationDirectory")[0] / "aisle.toml"
    assert int(unit_values("TimeoutStopSec")[0]) > Settings().grace_s + 5
    assert unit_values("KillMode") == ["mixed"]  # the writer ends last
    assert "AF_UNIX" in unit_values("RestrictAddressFamilies")[0]  # the writer's socket
    for name in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "RestrictNamespaces", "ProtectKernelTunables"):
        assert unit_values(name) == ["yes"]
    assert unit_values("ProtectSystem") == ["strict"]
    assert unit_values("CapabilityBoundingSet") == [""]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_takes_the_unit(tmp_path):
    unit = tmp_path / "aisle.service"
    unit.write_text(UNIT.read_text().replace("/opt/aisle/bin/aisle", shutil.which("true")))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    if "Failed to" in done.stderr and "manager" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stderr) == (0, "")
