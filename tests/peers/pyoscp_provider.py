"""A Flexibility Provider made with pyoscp, run as a process: PORT FOLDER TOKEN [CP_URL CP_TOKEN]."""

import json
import sys
from pathlib import Path

from flask import Flask, request
from oscp import createBlueprint
from oscp.RegistrationManager import RegistrationDictMan, RegistrationMan


class Provider:
    def __init__(self, folder):
        self.folder = folder

    def handleUpdateGroupCapacityForecast(self, payload, _token):  # noqa: N802
        line = {"correlation": request.headers.get("X-Correlation-ID"), **payload}
        with (self.folder / "forecasts.jsonl").open("ab", buffering=0) as log:
            log.write(f"{json.dumps(line)}\n".encode())  # in one go: several requests come at once


class Registrations(RegistrationDictMan):
    def __init__(self, version_urls, filename):
        self.filename = filename
        self.writeJson({})
        RegistrationMan.__init__(self, version_urls, background_interval=1)  # not every 5 s


def main(port: int, folder: Path, token: str, *starts: str) -> None:
    version_url = [{"version": "2.0", "base_url": f"http://127.0.0.1:{port}/oscp/fp/2.0"}]
    manager = Registrations(version_url, str(folder / "endpoints.json"))
    manager._updateService(token)
    if starts:  # it starts the registration: the token it knows is the one it gives
        manager._updateService(token, starts[1], starts[0])
        endpoints = manager.readJson()
        endpoints[token]["should_register"] = True
        manager.writeJson(endpoints)
    app = Flask(__name__)
    app.register_blueprint(
        createBlueprint({"registrationmanager": manager, "flexibilityprovider": Provider(folder)}, actor="fp")
    )
    manager.start()
    app.run("127.0.0.1", port)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
