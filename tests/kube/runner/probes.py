"""Startup, liveness and readiness probes, with a kubelet's defaults and thresholds."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.kube.apiclient import Json
from tests.kube.children import Child
from tests.kube.runner.problems import UnsupportedError
from tests.kube.runner.substitution import Substitution

ACTIONS = ("httpGet", "tcpSocket", "exec")


@dataclass(frozen=True)
class Probe:
    """One probe of a container; times in seconds."""

    action: str
    details: Json
    initial_delay: float
    period: float
    timeout: float
    success_threshold: int
    failure_threshold: int
    grace_period: float | None

    @classmethod
    def of(cls, container: Json, kind: str) -> "Probe | None":
        """The container's probe of this kind ("startup", "liveness", "readiness"); raises UnsupportedError."""
        spec = container.get(f"{kind}Probe")
        if spec is None:
            return None
        action = next((name for name in ACTIONS if name in spec), None)
        if action is None:
            raise UnsupportedError(f"the pod runner has no {kind} probe other than {', '.join(ACTIONS)}")
        return cls(
            action=action,
            details=spec[action],
            initial_delay=spec.get("initialDelaySeconds", 0),
            period=spec.get("periodSeconds", 10),
            timeout=spec.get("timeoutSeconds", 1),
            success_threshold=spec.get("successThreshold", 1),
            failure_threshold=spec.get("failureThreshold", 3),
            grace_period=spec.get("terminationGracePeriodSeconds"),
        )


@dataclass(frozen=True)
class Target:
    """What probes need to know of a running container."""

    address: str
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    folder: Path
    substitute: Substitution
    session: aiohttp.ClientSession


async def follow(probe: Probe, target: Target, verdict: Callable[[bool, str], Awaitable[None]]) -> None:
    """Probe for ever; `verdict(good, why)` is awaited each time a threshold is reached."""
    await asyncio.sleep(probe.initial_delay)
    successes = failures = 0
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        failure = await check(probe, target)
        if failure is None:
            successes, failures = successes + 1, 0
            if successes >= probe.success_threshold:
                await verdict(True, "")
        else:
            successes, failures = 0, failures + 1
            if failures >= probe.failure_threshold:
                await verdict(False, failure)
        await asyncio.sleep(max(0.0, began + probe.period - loop.time()))


async def check(probe: Probe, target: Target) -> str | None:
    """Probe once: None for success, else what went wrong."""
    try:
        async with asyncio.timeout(probe.timeout):
            match probe.action:
                case "httpGet":
                    return await _http(probe.details, target)
                case "tcpSocket":
                    _, writer = await asyncio.open_connection(target.address, _port(probe.details, target))
                    writer.close()
                    return None
                case _:
                    return await _command(probe.details, target)
    except TimeoutError:
        return f"no answer within {probe.timeout:g} s"
    except (aiohttp.ClientError, OSError) as error:
        return str(error) or type(error).__name__


async def _http(details: Json, target: Target) -> str | None:
    scheme = details.get("scheme", "HTTP").lower()
    host = target.substitute(details.get("host") or target.address)
    url = f"{scheme}://{host}:{_port(details, target)}{details.get('path', '/')}"
    headers = {header["name"]: header["value"] for header in details.get("httpHeaders", [])}
    # A kubelet doesn't verify the certificate either.
    async with target.session.get(url, headers=headers, ssl=False, allow_redirects=False) as answer:
        if 200 <= answer.status < 400:
            return None
        return f"HTTP probe failed with statuscode: {answer.status}"


async def _command(details: Json, target: Target) -> str | None:
    argv = [target.substitute(word) for word in details["command"]]
    child = await Child.start(argv, log=target.folder / "probe.log", env=target.environment, cwd=target.folder)
    try:
        code = await child.wait()
    finally:
        child.signal_group(signal.SIGKILL)
        with contextlib.suppress(asyncio.CancelledError):
            await child.wait()
    return None if code == 0 else f"command ended with {code}"


def _port(details: Json, target: Target) -> int:
    port = details["port"]
    return target.ports[port] if isinstance(port, str) else port
