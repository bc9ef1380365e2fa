"""What lies in deploy/, the Dockerfile and compose.yaml say the same as the Procfile, script/setup and the settings."""

import configparser
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from packaging.requirements import Requirement

from processing import worker
from processing.errors import PhotoError
from script import supervise
from tests.environment import ROOT

UNITS = ROOT / "deploy/systemd"
CODE = "/opt/photoproc"
# Read by the images of others, by the compose file and the Dockerfile.
OF_CONTAINERS = {"POSTGRES_USER", "POSTGRES_PASSWORD", "REDISCLI_AUTH", "REDIS_PASSWORD", "MODELS"}


def unit(name: str) -> configparser.ConfigParser:
    """A unit with what it shares with the others; of what is said twice, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    family = f"{name}.service.d" if name == "photoproc" else "photoproc-.service.d"
    parser.read([UNITS / family / "common.conf", UNITS / f"{name}.service"])
    return parser


def procfile() -> dict[str, str]:
    lines = (line.partition(":") for line in (ROOT / "Procfile").read_text().splitlines())
    return {name: command.strip() for name, _, command in lines}


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions, as pairs of the word and the rest."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    pairs = (line.partition(" ") for line in text.splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in pairs]


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())  # type: ignore[no-any-return]


def known_settings() -> set[str]:
    """All that docs/settings.md names, in its table or below it."""
    return set(re.findall(r"`([A-Z0-9_]+)`", (ROOT / "docs/settings.md").read_text()))


# ---- systemd --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["web", "worker", "io", "dispatcher"])
def test_each_unit_runs_the_line_of_the_procfile(name: str) -> None:
    service = unit(f"photoproc-{name}")["Service"]
    wanted = re.sub(r"\$\{(\w+):-([^}]+)\}", r"${\1}", procfile()[name])
    assert service["ExecStart"].replace(f"{CODE}/.venv/bin/", "") == wanted


def test_the_unit_of_web_has_the_defaults_of_the_procfile() -> None:
    asked = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", procfile()["web"]))
    assert (
        f"Environment={' '.join(f'{name}={value}' for name, value in asked.items())}"
        in (UNITS / "photoproc-web.service").read_text().splitlines()
    )


def test_nobody_is_killed_before_their_own_grace_is_over() -> None:
    for name in ("worker", "io"):
        assert int(unit(f"photoproc-{name}")["Service"]["TimeoutStopSec"]) > worker.STOP_GRACE
    web = unit("photoproc-web")["Service"]
    assert int(web["TimeoutStopSec"]) > int(re.findall(r"graceful-shutdown (\d+)", web["ExecStart"])[0])
    assert int(unit("photoproc")["Service"]["TimeoutStopSec"]) > supervise.PATIENCE * len(supervise.STAGES)


def test_every_unit_is_held_in_the_same_way() -> None:
    for path in UNITS.glob("*.service"):
        service = unit(path.stem)["Service"]
        told = [
            service[key] for key in ("User", "NoNewPrivileges", "ProtectSystem", "PrivateTmp", "KillMode", "Restart")
        ]
        assert told == ["photoproc", "yes", "strict", "yes", "mixed", "always"], path.name


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    shutil.copytree(UNITS, tmp_path, symlinks=True, dirs_exist_ok=True)
    for path in tmp_path.rglob("*.*"):
        if path.is_file() and not path.is_symlink():  # only the commands are elsewhere on this machine
            path.write_text(re.sub(rf"(?m)^(ExecStart(?:Pre)?)={CODE}/\S+", r"\1=/bin/true", path.read_text()))
    units = [str(path) for path in [*tmp_path.glob("*.service"), *tmp_path.glob("*.target")]]
    env = {"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["systemd-analyze", "verify", *units], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# ---- the image and the compose file ---------------------------------------------------------------------------------


def test_what_the_image_copies_exists_and_is_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [part for word, rest in dockerfile() if word == "COPY" for part in rest.split()[1:-1] if part != "."]
    assert all((ROOT / name).exists() for name in [*copied, *let_in])
    assert {name.split("/")[0] for name in copied} <= let_in
    assert {".env", "var", ".git", ".venv", "tests"}.isdisjoint(let_in)


def test_the_image_is_made_by_script_setup_and_runs_as_somebody_without_rights() -> None:
    steps = [rest for word, rest in dockerfile() if word == "RUN"]
    (options,) = (re.findall(r"script/setup (\S+)", step) for step in steps if "script/setup" in step)
    assert f"  {options[0]})" in (ROOT / "script/setup").read_text()
    words = [word for word, _ in dockerfile()]
    assert words.index("USER") < words.index("RUN", words.index("USER"))
    assert [rest.split(":")[0] for word, rest in dockerfile() if word == "USER"] == ["10001"]


def test_another_onnxruntime_takes_the_place_of_the_one_that_is_required() -> None:
    setup, pages = (ROOT / "script/setup").read_text(), (ROOT / "docs/deploying.md").read_text()
    (script,) = re.findall(r"lines=\$\(sed (.*) <<<", setup)
    env = {**os.environ, "onnxruntime": "onnxruntime-gpu==1.24.1"}
    line = f"sed {script} requirements.txt"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert re.findall("^onnxruntime.*$", done.stdout, re.MULTILINE) == ["onnxruntime-gpu==1.24.1"]
    assert re.findall(r"echo (\w+)=onnxruntime-", pages) == re.findall(r"^onnxruntime=\$\{(\w+):-", setup, re.MULTILINE)


def test_an_exchange_of_wheels_that_breaks_off_is_made_good_by_the_next_run(tmp_path: Path) -> None:
    """With a pip that keeps what it installed in a file, and has a network but for this."""

    def setup(onnxruntime: str, fetches: int) -> int:
        (tmp_path / "fetches").write_text(str(fetches))
        env = {**os.environ, "PHOTO_ONNXRUNTIME": onnxruntime}
        return subprocess.run(["bash", "script/setup", "--packages"], cwd=tmp_path, env=env, capture_output=True,
                              check=False).returncode  # fmt: skip

    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, text in ((".venv/bin/python", PIP), (".venv/bin/redis-server", "")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "script").mkdir()
    shutil.copy(ROOT / "script/setup", tmp_path / "script/setup")
    (tmp_path / "requirements.txt").write_text("onnxruntime==1.24.1\n")
    for name in ("constraints.txt", "installed"):
        (tmp_path / name).touch()
    assert setup("", 1) == 0
    assert setup("onnxruntime-gpu==1.24.1", 1) == 1
    assert (tmp_path / "installed").read_text() == ""
    assert setup("", 1) == 0
    assert (tmp_path / "installed").read_text() == "onnxruntime==1.24.1\n"


PIP = """#!/usr/bin/env bash
case "$*" in
  *" pip list "*) cat installed ;;
  *" pip uninstall "*) : > installed ;;
  *" pip install "*)
    left=$(cat fetches)
    echo $((left - 1)) > fetches
    [ "$left" -gt 0 ] || exit 1
    while [ "$1" != -r ]; do shift; done
    cat "$2" >> installed ;;
esac
"""


@pytest.mark.parametrize(("system", "machine", "python"), [
    ("linux", "x86_64", "3.11"), ("linux", "x86_64", "3.13"), ("linux", "x86_64", "3.14"),
    ("linux", "aarch64", "3.12"), ("darwin", "arm64", "3.12"), ("darwin", "x86_64", "3.12"),
])  # fmt: skip
def test_exactly_one_onnxruntime_is_required_of_every_machine(system: str, machine: str, python: str) -> None:
    required = (ROOT / "requirements.txt").read_text().splitlines()
    lines = [Requirement(line) for line in required if line.startswith("onnxruntime")]
    here = {"sys_platform": system, "platform_machine": machine, "python_version": python}
    (one,) = (line.name for line in lines if line.marker and line.marker.evaluate(here))
    assert (one == "onnxruntime-openvino") == (system == "linux" and machine == "x86_64" and python != "3.14")


def test_the_image_and_the_compose_file_name_settings_that_exist() -> None:
    asked = {part.partition("=")[0] for word, rest in dockerfile() if word == "ENV" for part in rest.split()}
    for service in compose()["services"].values():
        asked |= set(service["environment"])
    for path in (ROOT / "deploy/photoproc.env", ROOT / "docs/deploying.md"):
        asked |= set(re.findall(r"\b([A-Z][A-Z0-9_]+)=", path.read_text()))
    assert asked - OF_CONTAINERS - known_settings() == set()


def test_the_containers_run_every_process_of_the_procfile_once() -> None:
    services = compose()["services"]
    commands = [services[name]["command"] for name in ("front", "worker")]
    assert [command[0] for command in commands] == ["script/server"] * 2
    assert sorted(commands[0][1:] + commands[1][1:]) == sorted(procfile())
    assert [rest for word, rest in dockerfile() if word == "CMD"] == ['["script/server"]']


def test_everybody_speaks_of_the_same_port() -> None:
    (port,) = re.findall(r"\$\{PORT:-(\d+)\}", procfile()["web"])
    assert [rest for word, rest in dockerfile() if word == "EXPOSE"] == [port]
    assert f"PORT={port}" in next(rest for word, rest in dockerfile() if word == "ENV")
    assert f"http://127.0.0.1:{port}/health" in next(rest for word, rest in dockerfile() if word == "HEALTHCHECK")
    front = compose()["services"]["front"]
    assert (front["environment"]["PORT"], front["ports"]) == (port, [f"127.0.0.1:{port}:{port}"])
    assert f"server 127.0.0.1:{port};" in (ROOT / "deploy/nginx.conf").read_text()


def test_redis_forgets_nothing_and_knows_a_password() -> None:
    command = " ".join(compose()["services"]["redis"]["command"])
    for words in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass ${REDIS_PASSWORD:?"):
        assert words in command


# ---- nginx ----------------------------------------------------------------------------------------------------------


def test_nginx_lets_in_what_the_house_lets_in_and_refuses_the_rest_in_its_words() -> None:
    text = (ROOT / "deploy/nginx.conf").read_text()
    assert re.findall(r"client_max_body_size (\d+);", text) == [str(settings.MAX_BODY_BYTES)]
    (said,) = re.findall(r"return 413 '(.+)';", text)
    error = PhotoError("body_too_large", limit=settings.MAX_BODY_BYTES // settings.MB)
    assert json.loads(said).items() >= {"code": error.code, "detail": error.detail, "status": 413}.items()


@pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="there is no nginx")
def test_nginx_understands_its_file(tmp_path: Path) -> None:
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=photos -keyout {tmp_path}/k.pem -out {tmp_path}/c.pem"
    subprocess.run(make.split(), check=True, capture_output=True)
    text = (ROOT / "deploy/nginx.conf").read_text()
    text = re.sub(r"/etc/letsencrypt/\S+/fullchain.pem", str(tmp_path / "c.pem"), text)
    text = re.sub(r"/etc/letsencrypt/\S+/privkey.pem", str(tmp_path / "k.pem"), text)
    (tmp_path / "site.conf").write_text(text)
    around = "pid pid; error_log log; events {} http { access_log off; include site.conf; }"
    (tmp_path / "nginx.conf").write_text(around)
    command = ["nginx", "-t", "-q", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(command, env={"PATH": "/usr/sbin:/usr/bin"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
