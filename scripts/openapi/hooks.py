"""Makes some of the generated requests about things that are there, by somebody who may ask.

The first request of each operation is such a one, and each fourth after it. What it takes away it makes before. Which
operations were answered well is written to the file that OPENAPI_SEEN names, one a line.
"""

import base64
import copy
import itertools
import json
import os
import struct
import threading
import urllib.parse
import uuid
import zlib
from collections import Counter

import requests
import schemathesis

with open(os.environ["OPENAPI_WORLD"], encoding="utf-8") as file:
    WORLD = json.load(file)

URL = WORLD["url"]
HERE, THERE, LEFT = WORLD["here"], WORLD["there"], WORLD["left"]
OURS = {org["id"] for org in WORLD["orgs"]} | {org["project"] for org in WORLD["orgs"]}
PASSWORD = WORLD["person"]["password"]
CONTAINER = "uc_0123456789abcdef"
NONCE = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
EACH = 4

numbers = itertools.count()
asked = Counter()
seen = set()
lock = threading.Lock()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def by_key():
    return bearer(WORLD["key"])


def as_gateway(tenure):
    return bearer(tenure["token"]) | {"Orrery-Epoch": str(tenure["epoch"])}


def ask(method, path, body=None, headers=None):
    answer = requests.request(method, URL + path, json=body, headers=headers or by_key(), timeout=30)
    answer.raise_for_status()
    return answer


OURS |= {slot["gateway_id"] for slot in ask("GET", "/api/pool").json()["slots"]}
OURS |= {key["id"] for key in ask("GET", "/api/api-keys").json()["api_keys"]}


def spare(path, field, within, body):
    """The id of one of the things at `path` that is not ours to keep; made, if there is none."""
    listed = ask("GET", path).json()[field]
    for thing in listed:
        if thing["id"] not in OURS:
            return thing["id"]
    made = ask("POST", path, body).json()
    return made[within]["id"] if within else made["id"]


def address(name):
    """Nobody's; several processes in turn ask one server."""
    return f"{name}-{os.getpid()}-{next(numbers)}@example.org"


def newcomer():
    """Somebody with an account and a session."""
    email = address("newcomer")
    body = {"email": email, "password": PASSWORD, "name": "Newcomer"}
    headers = {"Origin": URL}
    answer = ask("POST", "/api/auth/signup", body, headers)
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    return {"email": email, "id": answer.json()["user"]["id"], "headers": headers | {"Cookie": cookie}}


def member():
    """Somebody who belongs to our organization, as nobody but a member."""
    someone = newcomer()
    ask("POST", f"/api/orgs/{HERE['id']}/members", {"email": someone["email"], "role": "member"})
    return someone


def host():
    return f"{CONTAINER.replace('_', '-')}.org-{THERE['id']}.localhost"


def ticket():
    """What a browser comes back with from the gate."""
    someone = newcomer()
    ask("POST", f"/api/orgs/{THERE['id']}/members", {"email": someone["email"], "role": "member"})
    query = urllib.parse.urlencode({"host": host(), "nonce": NONCE})
    gate = f"{URL}/gate/authorize?{query}"
    answer = requests.get(gate, headers=someone["headers"], allow_redirects=False, timeout=30)
    back = urllib.parse.urlsplit(answer.headers["Location"])
    return urllib.parse.parse_qs(back.query)["code"][0]


def access():
    return bearer(ask("POST", "/api/auth/token", {}).json()["access_token"])


def drained():
    """A slot that serves nobody, so that nobody has to move."""
    slots = ask("GET", "/api/pool").json()["slots"]
    return next(slot["slot"] for slot in slots if slot["gateway_id"] == WORLD["gateway"]["id"] and not slot["org"])


def record():
    """The first update of a document, which says nothing, as `protocol/src/record.rs` has it."""
    name, update, epoch = b"board", b"\0\0", WORLD["serving"]["epoch"]
    header = b"ORRc" + bytes([1, 1, len(name), 0]) + struct.pack("<IIQQQ", len(update), 0, epoch, 1, 0)
    header += uuid.UUID(THERE["id"]).bytes + uuid.UUID(THERE["project"]).bytes + name
    for part in (b"", update):
        header += part
        header += struct.pack("<I", zlib.crc32(header))
    return header


def delete_account():
    return {"headers": newcomer()["headers"], "body": {"password": PASSWORD}}


def end_session():
    someone = newcomer()
    session = ask("GET", "/api/auth/sessions", headers=someone["headers"]).json()["sessions"][0]["id"]
    return {"path": {"session": session}, "headers": someone["headers"]}


def sign_up():
    email = address("signed-up")
    return {"body": {"email": email, "password": PASSWORD, "name": "New"}, "headers": {"Origin": URL}}


NAME = {"name": "Europa"}
ORG, PROJECT = {"org": HERE["id"]}, {"project": HERE["project"]}
SERVING = as_gateway(WORLD["serving"])


def org(body=None):
    return lambda: {"path": ORG, "body": body}


def project(body=None):
    return lambda: {"path": PROJECT, "body": body}


def internal(body=None, **more):
    return lambda: {"headers": SERVING, "body": body, **more}


# What is right to ask, by operation. Any other needs nothing but the key.
REAL = {
    "POST /api/auth/signup": sign_up,
    "POST /api/auth/login": lambda: {"body": {"email": WORLD["person"]["email"], "password": PASSWORD}},
    "DELETE /api/auth/me": delete_account,
    "DELETE /api/auth/sessions/{session}": end_session,
    "POST /api/auth/password": lambda: {
        "headers": newcomer()["headers"],
        "body": {"password": PASSWORD, "new_password": PASSWORD},
    },
    "POST /api/api-keys": lambda: {"headers": newcomer()["headers"], "body": NAME},
    "DELETE /api/api-keys/{key}": lambda: {"path": {"key": spare("/api/api-keys", "api_keys", None, NAME)}},
    "POST /api/orgs": lambda: {"headers": newcomer()["headers"], "body": NAME},
    "GET /api/orgs/{org}": org(),
    "PATCH /api/orgs/{org}": org(NAME),
    "DELETE /api/orgs/{org}": lambda: {"path": {"org": spare("/api/orgs", "orgs", "org", NAME)}},
    "GET /api/orgs/{org}/members": org(),
    "POST /api/orgs/{org}/members": lambda: {
        "path": ORG,
        "body": {"email": newcomer()["email"], "role": "member"},
    },
    "PATCH /api/orgs/{org}/members/{user}": lambda: {
        "path": ORG | {"user": member()["id"]},
        "body": {"role": "admin"},
    },
    "DELETE /api/orgs/{org}/members/{user}": lambda: {"path": ORG | {"user": member()["id"]}},
    "GET /api/orgs/{org}/projects": org(),
    "POST /api/orgs/{org}/projects": org(NAME),
    "GET /api/projects/{project}": project(),
    "PATCH /api/projects/{project}": project(NAME),
    "DELETE /api/projects/{project}": lambda: {
        "path": {"project": spare(f"/api/orgs/{HERE['id']}/projects", "projects", "project", NAME)},
    },
    "GET /api/projects/{project}/members": project(),
    "POST /api/projects/{project}/members": lambda: {
        "path": PROJECT,
        "body": {"email": member()["email"], "role": "viewer"},
    },
    "DELETE /api/projects/{project}/members/{user}": lambda: {"path": PROJECT | {"user": member()["id"]}},
    "POST /projects/{project}/start": project(),
    "POST /projects/{project}/stop": project(),
    "POST /gateway/start": lambda: {"body": {"organization_id": HERE["id"]}},
    "POST /api/pool/slots/{slot}/drain": lambda: {"path": {"slot": drained()}},
    "DELETE /api/pool/gateways/{gateway}": lambda: {
        "path": {"gateway": ask("POST", "/api/pool/gateways", {}).json()["gateway_id"]},
    },
    "GET /gate/authorize": lambda: {"query": {"host": host(), "nonce": NONCE}},
    "POST /gateway/ready": lambda: {
        "headers": bearer(WORLD["spare"]["token"]),
        "body": WORLD["spare"]["ready"],
    },
    "POST /gateway/config": internal({}),
    "POST /gateway/lease": internal(),
    # Of an organization that it was served no longer: let go twice is let go once.
    "POST /gateway/stop": lambda: {
        "headers": as_gateway(WORLD["stopped"]),
        "body": {"organization_id": LEFT["id"]},
    },
    "POST /gateway/data/pull": internal({"organization_id": THERE["id"]}),
    "POST /gateway/data/append": internal(record(), media_type="application/octet-stream"),
    "POST /gateway/data/push": internal({"organization_id": THERE["id"], "data": {}}),
    "POST /gateway/container-token": internal(
        {"project": THERE["project"], "container": CONTAINER, "generation": 1}
    ),
    "POST /gateway/deleted": lambda: {
        "headers": bearer(WORLD["gateway"]["token"]),
        "body": {"organizations": [HERE["id"]], "projects": [HERE["project"]]},
    },
    "POST /gateway/notes/pull": internal({"project": THERE["project"]}),
    "POST /gateway/notes/push": internal({"project": THERE["project"], "notes": {}}),
    "POST /gateway/visit": lambda: {
        "headers": SERVING,
        "body": {"code": ticket(), "host": host(), "nonce": NONCE},
    },
    "POST /gateway/visit/standing": internal({"user": THERE["id"], "session": "none"}),
    "POST /collab/event": lambda: {
        "headers": access(),
        "body": {
            "project_id": HERE["project"],
            "event": {"type": "gateway:disable-shutdown", "disabled": True},
        },
    },
    "GET /collab/{project}/containers": lambda: {"headers": access(), "path": PROJECT},
}


def usual(operation):
    """What whoever asks this usually shows."""
    tags = operation.definition.raw.get("tags", [])
    if "internal" in tags:
        return bearer(WORLD["spare"]["token"]) if operation.path == "/gateway/ready" else SERVING
    return by_key()


def show(case, headers):
    """Cases share what they were made from: what is changed is copied."""
    case.headers = copy.copy(case.headers)
    case.headers.update(headers)


def settle(case, real):
    case.headers = copy.copy(case.headers)
    case.headers.clear()
    show(case, real.get("headers") or usual(case.operation))
    case.path_parameters = {**case.path_parameters, **real.get("path", {})}
    case.query = real.get("query", {})
    body = real.get("body")
    if body is not None:
        case.body = body
        case.media_type = real.get("media_type", "application/json")
    case.cookies = {}


def spared(case):
    """Ids come up again from answers. What all requests are about stays, and a gateway says itself where it is."""
    if case.method.upper() == "DELETE":
        ids = case.path_parameters.items()
        case.path_parameters = {name: str(uuid.uuid4()) if str(id) in OURS else id for name, id in ids}
    if case.operation.path in ["/gateway/ready", "/gateway/stop"] and isinstance(case.body, dict):
        case.body = {name: str(uuid.uuid4()) if str(id) in OURS else id for name, id in case.body.items()}


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation
    label = operation.label
    as_described = case.method.upper() == operation.method.upper()
    with lock:
        turn = asked[label]
        asked[label] += as_described
    if as_described and turn % EACH == 0:
        settle(case, REAL.get(label, dict)())
    else:
        if turn % EACH != 1:
            show(case, usual(operation))
        spared(case)
    # A slot that serves somebody would be moved away under the others.
    if "slot" in case.path_parameters and str(case.path_parameters["slot"]).lstrip("+").isdecimal():
        if int(case.path_parameters["slot"]) < 1_000:
            case.path_parameters = {**case.path_parameters, "slot": drained()}


@schemathesis.hook
def after_call(context, case, response):
    label = case.operation.label
    if response.status_code < 400 and case.method.upper() == case.operation.method.upper():
        with lock:
            if label not in seen:
                seen.add(label)
                with open(os.environ["OPENAPI_SEEN"], "a", encoding="utf-8") as file:
                    file.write(label + "\n")
