"""What is deployed is checked as far as a tool can: formats, hardening, and that nothing has drifted from the code."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from ruamel.yaml import YAML

from ampacity.app.example_settings import example_settings
from ampacity.app.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
EXAMPLE = DEPLOY / "ampacity.example.toml"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def tool(name: str) -> str:
    path = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if path is None:
        pytest.skip(f"{name} is not on this machine")
    return path


def unit() -> list[tuple[str, str]]:
    lines = (DEPLOY / "ampacity.service").read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]


def compose() -> dict:
    return YAML(typ="safe").load((DEPLOY / "compose.yaml").read_text())


def test_the_example_is_up_to_date():
    fresh = example_settings()

    assert EXAMPLE.read_text() == fresh, "python -m ampacity.app.example_settings > deploy/ampacity.example.toml"


def test_the_example_holds_every_setting_at_its_default():
    assert tomllib.loads(EXAMPLE.read_text()) == msgspec.json.decode(msgspec.json.encode(Settings()))


def test_the_example_is_read_as_the_defaults():
    assert load_settings(EXAMPLE, {}) == Settings()


def test_every_setting_of_the_example_is_explained():
    lines = EXAMPLE.read_text().splitlines()

    unexplained = [b for a, b in pairwise(lines) if " = " in b and b[0] != "#" and not a.startswith("#")]
    assert unexplained == []


def test_the_compose_file_keeps_to_the_compose_specification():
    done = run(
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(DEPLOY / "compose.yaml"),
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_server_waits_for_a_healthy_and_migrated_database():
    services = compose()["services"]

    assert services["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert services["migrate"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["server"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_no_container_of_ours_may_gain_privileges_and_no_password_is_written_down():
    services = compose()["services"]

    for name in ("migrate", "server"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    assert services["server"]["ports"] == ["127.0.0.1:8470:8470"]
    assert services["database"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    assert services["server"]["environment"]["AMPACITY_OSCP_SECRET_KEY"].startswith("${AMPACITY_OSCP_SECRET_KEY:?")


def test_the_variables_of_the_compose_file_are_settings():
    variables = dict.fromkeys(compose()["services"]["server"]["environment"], "postgresql://x/y")

    assert load_settings(EXAMPLE, variables).database.url == "postgresql://x/y"


def test_the_image_runs_without_root_and_tells_its_health():
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    final = text.rsplit("\nFROM ", 1)[1]

    assert final.startswith("python:3.13-slim\n")
    assert re.findall(r"^USER (.*)$", final, re.MULTILINE) == ["10001:10001"]
    assert "HEALTHCHECK" in final
    assert str(Settings().server.port) in re.findall(r"^EXPOSE (.*)$", final, re.MULTILINE)
    assert "ADD " not in text


def test_the_health_check_of_the_image_tells_a_server_from_none():
    check = re.search(r'CMD \["python", "-c", "(.*)"\]', (DEPLOY / "Dockerfile").read_text()).group(1)
    server = (
        "import http.server as h, threading, subprocess, sys\n"
        "s = h.HTTPServer(('127.0.0.1', 0), h.BaseHTTPRequestHandler)\n"
        "threading.Thread(target=s.serve_forever, daemon=True).start()\n"
        "code = sys.argv[1].replace('8470', str(s.server_port))\n"
        "s.RequestHandlerClass.do_GET = lambda r: (r.send_response(int(sys.argv[2])), r.end_headers())\n"
        "s.RequestHandlerClass.log_message = lambda *_: None\n"
        "up = subprocess.run([sys.executable, '-c', code]).returncode\n"
        "s.shutdown(); s.server_close()\n"
        "down = subprocess.run([sys.executable, '-c', code], stderr=subprocess.DEVNULL).returncode\n"
        "print(up, down)"
    )

    assert run(sys.executable, "-c", server, check, "404").stdout.split() == ["0", "1"]
    assert run(sys.executable, "-c", server, check, "503").stdout.split() == ["1", "1"]


def test_the_dockerfile_passes_hadolint():
    done = run(tool("hadolint"), str(DEPLOY / "Dockerfile"))

    assert done.returncode == 0, done.stdout


def test_what_the_image_copies_is_there_and_not_ignored():
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)

    for path in " ".join(copied).split():
        assert (ROOT / path).exists()
        assert f"!{path}" in ignored


def test_the_unit_runs_the_server_with_the_example_and_without_privileges():
    settings = dict(unit())

    assert settings["ExecStart"] == "/opt/ampacity/bin/ampacity serve --config /etc/ampacity/ampacity.toml"
    assert settings["DynamicUser"] == "yes"
    assert settings["CapabilityBoundingSet"] == ""
    assert settings["ProtectSystem"] == "strict"
    assert settings["NoNewPrivileges"] == "yes"


def test_the_unit_is_one_that_systemd_understands_and_calls_safe(tmp_path):
    analyze = tool("systemd-analyze")
    copy = tmp_path / "ampacity.service"
    text = (DEPLOY / "ampacity.service").read_text()
    copy.write_text(text.replace("/opt/ampacity/bin/ampacity", sys.executable))  # it is not installed there

    verified = run(analyze, "verify", "--man=no", "--recursive-errors=no", str(copy))
    rated = run(analyze, "security", "--offline=yes", "--threshold=20", str(copy))  # tenths: at most 2.0 of 10

    assert "ampacity.service" not in verified.stderr, verified.stderr
    assert rated.returncode == 0, rated.stdout[-500:]


def test_the_unit_lets_processes_step_back():
    """The last word on a system call counts, and `setpriority` is one of @resources."""
    filters = [line for line in (DEPLOY / "ampacity.service").read_text().splitlines() if "SystemCallFilter=" in line]
    assert filters.index("SystemCallFilter=setpriority") > filters.index("SystemCallFilter=~@privileged @resources")


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "ampacity.service", "ampacity.example.toml"])
def test_the_readme_names_what_is_there(name):
    assert name in (DEPLOY / "README.md").read_text()
    assert (DEPLOY / name).is_file()
