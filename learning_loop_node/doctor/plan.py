"""Which checks are made, and in which order."""

from __future__ import annotations

from yarl import URL

from ..client.http import LoopHttp, is_loopback_host
from ..settings import LoopSettings, Settings, misspelled_variables, older_variables
from .disk import check_folder, check_room, check_sync
from .finding import Chain, Check, Verdict, ok, warning
from .installed import check_installed
from .loop import LoopChecks
from .network import reach, resolve
from .outbox import check_outbox
from .port import check_port
from .running_node import NodeChecks
from .tls import check_authority_file, check_certificate
from .variables import check_settings, check_spelling


def environment_chains(problem: str = "") -> list[Chain]:
    """What is looked at before the settings are used; `problem` is what was wrong when they were read."""
    older, misspelled = older_variables(), misspelled_variables()
    return [
        [Check(subject="installation", looked_at="packages", run=check_installed)],
        [Check(subject="settings", looked_at="environment", run=lambda: check_settings(problem, older))],
        [Check(subject="spelling", looked_at="environment", run=lambda: check_spelling(misspelled))],
    ]


def machine_chains(settings: Settings, host: str, port: int | None) -> list[Chain]:
    """What is looked at on this machine; host and port are those on which the node listens."""
    folder = settings.node.data_folder
    data = f"{folder} (DATA_FOLDER)"
    chains: list[Chain] = [
        [
            Check(subject="data folder", looked_at=data, run=lambda: check_folder(folder)),
            Check(subject="room", looked_at=data, run=lambda: check_room(folder, settings.outbox), blocks=False),
            Check(subject="sync", looked_at=data, run=lambda: check_sync(folder), blocks=False),
            Check(subject="outbox", looked_at=str(folder / "outbox"), run=lambda: check_outbox(folder / "outbox")),
        ]
    ]
    if port is not None:
        place = f"{host}:{port} (NODE_HOST, NODE_PORT)"
        chains.append([Check(subject="port", looked_at=place, run=lambda: check_port(host, port))])
    return chains


def loop_chain(http: LoopHttp, model_format: str | None) -> Chain:
    """What is looked at on the way to the loop, and there."""
    settings, url = http.settings, URL(http.origin)
    host, port = url.host or "", url.port or 0
    name, place, origin = f"{host} (LOOP_HOST)", f"{host}:{port} (LOOP_HOST)", f"{http.origin} (LOOP_HOST)"
    loop = LoopChecks(http, model_format)
    authority = settings.ssl_certificate_path
    project = f"{settings.organization or '?'}/{settings.project or '?'} (LOOP_ORGANIZATION, LOOP_PROJECT)"
    who = (
        "token (LOOP_TOKEN)" if settings.token.get_secret_value() else f"{settings.username or 'guest'} (LOOP_USERNAME)"
    )
    encryption = (
        [
            Check(
                subject="authority",
                looked_at=f"{authority or 'none'} (LOOP_SSL_CERT_PATH)",
                run=lambda: check_authority_file(authority),
            ),
            Check(subject="certificate", looked_at=origin, run=lambda: check_certificate(host, port, authority)),
        ]
        if url.scheme == "https"
        else [Check(subject="encryption", looked_at=origin, run=lambda: check_plain(settings, host))]
    )
    return [
        Check(subject="name", looked_at=name, run=lambda: resolve(host, port)),
        Check(subject="connection", looked_at=place, run=lambda: reach(host, port)),
        *encryption,
        Check(subject="loop", looked_at=f"{http.base_url}/status", run=loop.status),
        Check(subject="clock", looked_at="the loop's time", run=loop.clock, blocks=False),
        Check(subject="login", looked_at=who, run=loop.login),
        Check(subject="project", looked_at=project, run=loop.project),
        Check(subject="deployment", looked_at="the model that should run", run=loop.target),
    ]


def node_chain(origin: str, settings: Settings) -> Chain:
    """What is asked of a running node."""
    node = NodeChecks(origin, settings.detector.queue_size)
    return [
        Check(subject="node", looked_at=origin, run=node.answers),
        Check(subject="model", looked_at=f"{origin}/about", run=node.model, blocks=False),
        Check(subject="queue", looked_at=f"{origin}/status", run=node.queue),
        Check(subject="sending", looked_at=f"{origin}/status", run=node.outbox),
    ]


async def check_plain(settings: LoopSettings, host: str) -> Verdict:
    """What is readable on the way."""
    if is_loopback_host(host):
        return ok("not encrypted; it stays on this machine")
    secret = next((name for name in ("token", "password") if getattr(settings, name).get_secret_value()), None)
    carried = f"images and the {secret}" if secret else "images"
    return warning(f"{carried} can be read on the way", "begin LOOP_HOST with https:// if the loop offers that")
