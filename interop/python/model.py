"""What the story and both kinds of client speak of: instances, names, and where the server is."""

from dataclasses import dataclass, field

DEFAULT_GROUP = "DEFAULT_GROUP"
# The namespace every client is in when it names none.
PUBLIC = ""
PORT = 8080


@dataclass(frozen=True)
class Place:
    """Where clients connect to, and the folder they may write into."""

    server: str
    scratch: str


@dataclass
class Instance:
    ip: str
    cluster: str = "blue"
    weight: float = 1.0
    healthy: bool = True
    metadata: dict = field(default_factory=dict)


def texts(*instances):
    """The one comparable form of a list of instances."""
    return sorted(
        text(i.ip, PORT, i.cluster, i.weight, i.healthy, True, True, i.metadata) for i in instances)


def text(ip, port, cluster, weight, healthy, enabled, ephemeral, metadata):
    """All that a client may ask about an instance, as one line."""
    flags = ("" if healthy else " unhealthy") + ("" if enabled else " disabled") + ("" if ephemeral else " persistent")
    return f"{ip}:{port} {cluster} weight={float(weight)}{flags} {sorted((metadata or {}).items())}"
