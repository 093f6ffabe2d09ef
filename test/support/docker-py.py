"""What tools in Python do with a swarm, by docker-py as it is. Prints a line for each thing that went as it should."""

import threading
import time

import docker
from docker.types import EndpointSpec, ServiceMode


def until(what, check):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        value = check()
        if value:
            return value
        time.sleep(0.1)
    raise SystemExit(f"{what}: not within a minute")


client = docker.from_env()
print("ping", client.ping())
print("role", client.nodes.list()[0].attrs["Spec"]["Role"])

seen = []
started = int(time.time())


def listen():
    for event in client.events(decode=True, since=started, filters={"type": "service", "service": "py-web"}):
        if event["Action"] != "update":
            seen.append(f"{event['Type']}:{event['Action']}")
        if event["Action"] == "remove":
            return


listener = threading.Thread(target=listen, daemon=True)
listener.start()

network = client.networks.create("py-net", driver="overlay")
network.reload()
print("network", network.name, network.attrs["Driver"], network.attrs["Scope"])

service = client.services.create(
    "busybox",
    ["sh", "-c", "echo hello; exec sleep 1000"],
    name="py-web",
    labels={"tool": "py"},
    networks=["py-net"],
    mode=ServiceMode("replicated", replicas=2),
    endpoint_spec=EndpointSpec(ports={8092: 8080}),
)
print("service", service.name, "replicas", service.attrs["Spec"]["Mode"]["Replicated"]["Replicas"])


def running(count):
    service.reload()
    tasks = service.tasks(filters={"desired-state": "running"})
    return len(tasks) == count and all(task["Status"]["State"] == "running" for task in tasks)


until("two tasks", lambda: running(2))
print("running", 2)
print("labels", client.services.list(filters={"label": "tool=py"})[0].attrs["Spec"]["Labels"])
service.scale(1)
until("one task", lambda: running(1))
print("scaled", 1)
lines = until("a line", lambda: b"".join(service.logs(stdout=True)).decode().split())
print("logs", lines[0])

config = client.configs.create(name="py-config", data=b"x=1")
print("config", client.configs.list(filters={"name": "py-config"})[0].name)
config.remove()

try:
    client.services.get("nobody")
except docker.errors.NotFound as error:
    print("not found", error.status_code)
try:
    client.networks.create("py-net", driver="overlay")
except docker.errors.APIError as error:
    print("conflict", error.status_code)

service.remove()
listener.join(30)
print("events", *seen)


def removed():
    try:
        network.remove()
        return True
    except docker.errors.APIError:
        return False


until("the network is free", removed)
print("gone")
