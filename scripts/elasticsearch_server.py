"""A real Elasticsearch for tests and trials, started and stopped by its own process id.

    python scripts/elasticsearch_server.py run -- pytest        # start, run with ELASTICSEARCH_URL set, stop
    python scripts/elasticsearch_server.py start --dir .server  # prints the URL
    python scripts/elasticsearch_server.py stop --dir .server

Where the server comes from, in this order: ELASTICSEARCH_URL where it is set (`run` only); a container,
where Docker can run the image; the distribution on Maven Central that plugin authors test on, on a JDK of
21 or newer.
The server has no security unless `--tls` is given, and listens on 127.0.0.1 only. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

VERSION = "9.5.3"
IMAGE = f"elasticsearch:{VERSION}"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
IN_LOCAL_REPOSITORY = (
    f"org/elasticsearch/distribution/integ-test-zip/elasticsearch/{VERSION}/elasticsearch-{VERSION}.zip"
)
OLDEST_JAVA = 21
SECONDS_TO_START = 180


#: Servers that this process started, so that it can wait for their end.
_children: dict[int, subprocess.Popen[bytes]] = {}


class ServerError(Exception):
    """No server could be had; the message says why and what to do."""


@dataclass(frozen=True)
class Server:
    """A running server: its processes (or container), and how to reach it."""

    urls: tuple[str, ...]
    pids: tuple[int, ...] = ()
    container: str = ""
    ca: str = ""  # PEM file of the certificate, with --tls
    users: Mapping[str, str] = field(default_factory=dict)  # name -> password, with --tls


# --- the distribution and its Java


def cache_folder() -> Path:
    """Where the distribution is unpacked: readable by other users, as homes often are not."""
    folder = Path(tempfile.gettempdir()) / f"caption-search-elasticsearch-{os.geteuid()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise ServerError(f"{folder} belongs to somebody else; remove it or set TMPDIR")
    return folder


def distribution() -> Path:
    """The unpacked distribution; fetched by Maven the first time."""
    home = cache_folder() / f"elasticsearch-{VERSION}"
    if not home.is_dir():
        with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
            with zipfile.ZipFile(_distribution_zip()) as archive:
                archive.extractall(folder)
            for program in (Path(folder) / home.name / "bin").iterdir():
                program.chmod(0o755)
            Path(folder).chmod(0o755)
            with contextlib.suppress(FileExistsError, OSError):  # another process was faster
                (Path(folder) / home.name).rename(home)
    return home


def _distribution_zip() -> Path:
    repository = Path.home() / ".m2" / "repository"
    if (repository / IN_LOCAL_REPOSITORY).is_file():
        return repository / IN_LOCAL_REPOSITORY
    if shutil.which("mvn") is None:
        raise ServerError(
            "no Elasticsearch: ELASTICSEARCH_URL is not set, Docker cannot run here, and there is no Maven "
            "(mvn) to fetch the test distribution; provide one of the three"
        )
    _maven("dependency:get", "-Dtransitive=false", f"-Dartifact={ARTIFACT}")
    setting = _maven("help:evaluate", "-Dexpression=settings.localRepository", "-q", "-DforceStdout")
    path = Path(setting.strip().splitlines()[-1]) / IN_LOCAL_REPOSITORY
    if not path.is_file():
        raise ServerError(f"Maven said that it fetched {ARTIFACT}, but {path} is not there")
    return path


def _maven(*arguments: str) -> str:
    result = subprocess.run(
        ["mvn", "-B", *arguments], capture_output=True, text=True, cwd=tempfile.gettempdir()
    )
    if result.returncode:
        raise ServerError(f"mvn {arguments[0]} failed:\n{_tail(result.stdout + result.stderr)}")
    return result.stdout


def java_home() -> Path:
    """The first installed JDK that is new enough; the default one is often too old."""
    found: dict[Path, int] = {}
    for home in _java_homes():
        version = _java_version(home)
        if version >= OLDEST_JAVA:
            return home
        if version:
            found[home] = version
    older = ", ".join(f"{home} is {version}" for home, version in found.items()) or "none is installed"
    raise ServerError(
        f"Elasticsearch needs a JDK of {OLDEST_JAVA} or newer ({older}); install one or set JAVA_HOME"
    )


def _java_homes() -> Iterator[Path]:
    for name, value in sorted(os.environ.items()):
        if re.fullmatch(r"(ES_)?JAVA_?\d*_HOME(_\w+)?", name):
            yield Path(value)
    if (program := shutil.which("java")) is not None:
        yield Path(program).resolve().parent.parent
    for pattern in (
        "/usr/lib/jvm/*",
        "/opt/*",
        "/opt/*/*",
        "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    ):
        yield from sorted(Path("/").glob(pattern[1:]), reverse=True)
    yield from sorted((Path.home() / ".sdkman/candidates/java").glob("*"), reverse=True)


def _java_version(home: Path) -> int:
    """Major version by the `release` file that every JDK carries; 0 where there is no JDK."""
    with contextlib.suppress(OSError):
        match = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
        if match and os.access(home / "bin" / "java", os.X_OK):
            return int(match[1])
    return 0


# --- starting


def start(
    folder: Path,
    *,
    port: int = 0,
    nodes: int = 1,
    tls: bool = False,
    roles: Path | None = None,
    users: Sequence[str] = (),
    heap: str = "512m",
) -> Server:
    """Start a server whose data, logs and state lie in `folder`; returns when it answers.

    `users` are NAME:ROLE,...; each gets a password of its own. The state is written to `folder`/server.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    if (folder / "server.json").exists():
        raise ServerError(f"{folder} has a server already; stop it first")
    if not tls and nodes == 1 and (server := _start_container(port, heap)) is not None:
        return _remember(folder, server)
    environment = {**os.environ, "ES_JAVA_HOME": str(java_home()), "JAVA_HOME": str(java_home())}
    transports, ports = [_free_port() for _ in range(nodes)], [port or _free_port()]
    ports += [_free_port() for _ in range(nodes - 1)]
    passwords = {
        name: secrets.token_urlsafe(16) for name in ("elastic", *(user.split(":")[0] for user in users))
    }
    pids = []
    for number in range(nodes):
        home = folder / f"node{number}"
        _configure(home, number, ports, transports, tls)
        if tls:
            _secure(home, environment, passwords, roles, users)
        pids.append(_launch(home, environment, heap))
    scheme = "https" if tls else "http"
    server = Server(
        urls=tuple(f"{scheme}://{'localhost' if tls else '127.0.0.1'}:{port}" for port in ports),
        pids=tuple(pids),
        ca=str(folder / "node0/config/ca.pem") if tls else "",
        users=passwords if tls else {},
    )
    _remember(folder, server)
    try:
        _wait(server, folder, nodes)
    except BaseException:
        stop(folder)
        raise
    return server


def _start_container(port: int, heap: str) -> Server | None:
    """A container, or None where there is no Docker engine or it cannot have the image."""
    if shutil.which("docker") is None:
        return None
    publish = f"127.0.0.1:{port or ''}:9200"
    settings = {"discovery.type": "single-node", "xpack.security.enabled": "false"}
    settings |= {
        "ES_JAVA_OPTS": f"-Xms{heap} -Xmx{heap}",
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    options = [option for name, value in settings.items() for option in ("-e", f"{name}={value}")]
    try:
        subprocess.run(["docker", "info"], capture_output=True, check=True, timeout=15)
        command = ["docker", "run", "--rm", "--detach", "-p", publish, *options, IMAGE]
        container = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=600
        ).stdout.strip()
        show = subprocess.run(
            ["docker", "port", container, "9200"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    server = Server(urls=(f"http://{show.stdout.split()[0]}",), container=container)
    try:
        _wait(server, None, 1)
    except BaseException:
        subprocess.run(["docker", "stop", container], capture_output=True, check=False)
        raise
    return server


def _configure(home: Path, number: int, ports: list[int], transports: list[int], tls: bool) -> None:
    config = home / "config"
    shutil.copytree(distribution() / "config", config)
    for name in ("data", "logs", "tmp"):
        (home / name).mkdir()
    settings: dict[str, object] = {
        "cluster.name": f"caption-search-{transports[0]}",
        "node.name": f"node{number}",
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
        "network.host": "127.0.0.1",
        "http.port": ports[number],
        "transport.port": transports[number],
        # Test data is small; a nearly full disk of the developer must not make it read-only.
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "xpack.security.enabled": tls,
    }
    if len(ports) == 1:
        settings["discovery.type"] = "single-node"
    else:
        settings["discovery.seed_hosts"] = [f"127.0.0.1:{port}" for port in transports]
        settings["cluster.initial_master_nodes"] = [f"node{index}" for index in range(len(ports))]
    if tls:
        settings["xpack.security.http.ssl.enabled"] = True
        settings["xpack.security.http.ssl.keystore.path"] = "http.p12"
        settings["xpack.security.authc.realms.file.file1.order"] = 0
    # JSON values are YAML values.
    lines = [f"{name}: {json.dumps(value)}\n" for name, value in settings.items()]
    (config / "elasticsearch.yml").write_text("".join(lines))


def _secure(
    home: Path,
    environment: Mapping[str, str],
    passwords: Mapping[str, str],
    roles: Path | None,
    users: Sequence[str],
) -> None:
    """A self-signed certificate, the password of `elastic`, and file-realm users with their roles."""
    config = home / "config"
    environment = {**environment, "ES_PATH_CONF": str(config)}
    secret = secrets.token_urlsafe(16)
    keytool = [str(Path(environment["JAVA_HOME"]) / "bin/keytool"), "-storepass", secret, "-alias", "http"]
    keytool += ["-storetype", "PKCS12", "-keystore", str(config / "http.p12")]
    subject = [
        "-dname",
        "CN=localhost",
        "-ext",
        "SAN=dns:localhost,ip:127.0.0.1",
        "-ext",
        "BC:critical=ca:true",
    ]
    _tool([*keytool, "-genkeypair", "-keyalg", "EC", "-validity", "30", *subject], environment)
    _tool([*keytool, "-exportcert", "-rfc", "-file", str(config / "ca.pem")], environment)
    settings = {"xpack.security.http.ssl.keystore.secure_password": secret}
    settings["bootstrap.password"] = passwords["elastic"]
    keystore = str(distribution() / "bin/elasticsearch-keystore")
    values = "".join(f"{value}\n" for value in settings.values())
    _tool([keystore, "create"], environment)
    _tool([keystore, "add", "-x", *settings], environment, values)
    if roles is not None:
        shutil.copy(roles, config / "roles.yml")
    by_role: dict[str, list[str]] = {}
    for name, _, its_roles in (user.partition(":") for user in users):
        for role in its_roles.split(","):
            by_role.setdefault(role, []).append(name)
    lines = [f"{name}:{_hashed(password)}\n" for name, password in passwords.items() if name != "elastic"]
    (config / "users").write_text("".join(lines))
    lines = [f"{role}:{','.join(names)}\n" for role, names in by_role.items()]
    (config / "users_roles").write_text("".join(lines))


def _hashed(password: str) -> str:
    """As the file realm stores it (what `elasticsearch-users` would write, without starting a JVM a user)."""
    salt = secrets.token_bytes(32)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 1000, 32)
    return f"{{PBKDF2}}1000${b64encode(salt).decode()}${b64encode(key).decode()}"


def _tool(command: Sequence[str], environment: Mapping[str, str], given: str = "") -> None:
    result = subprocess.run(command, env=dict(environment), input=given, capture_output=True, text=True)
    if result.returncode:
        raise ServerError(f"{Path(command[0]).name} failed:\n{_tail(result.stdout + result.stderr)}")


def _launch(home: Path, environment: Mapping[str, str], heap: str) -> int:
    """Start the server in a session of its own, as a user other than root (it refuses to run as root)."""
    environment = {**environment, "ES_PATH_CONF": str(home / "config"), "ES_TMPDIR": str(home / "tmp")}
    environment["ES_JAVA_OPTS"] = f"-Xms{heap} -Xmx{heap}"
    owner: dict[str, object] = {}
    if os.geteuid() == 0:
        user = _unprivileged()
        closed = [parent for parent in home.parents if not parent.stat().st_mode & 0o001]
        if closed:
            raise ServerError(
                f"{closed[-1]} is closed to user {user.pw_name}, which the server runs as; use another --dir"
            )
        for path in [home, *home.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid)
        owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    with (home / "logs" / "console.log").open("w") as log:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [str(distribution() / "bin/elasticsearch")],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **owner,  # type: ignore[call-overload]
        )
    _children[process.pid] = process
    return process.pid


def _unprivileged() -> pwd.struct_passwd:
    for name in ("elasticsearch", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerError(
        "Elasticsearch refuses to run as root, and there is no user `elasticsearch` or `nobody`"
    )


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait(server: Server, folder: Path | None, nodes: int) -> None:
    """Until the cluster is whole; ServerError with the log's tail where it ends or takes too long."""
    deadline = time.monotonic() + SECONDS_TO_START
    query = f"/_cluster/health?wait_for_status=yellow&wait_for_nodes={nodes}&timeout=5s"
    while not _answers(server, query):
        ended = [pid for pid in server.pids if not _alive(pid)]
        if ended or time.monotonic() > deadline:
            logs = sorted(folder.glob("node*/logs/console.log")) if folder else []
            tail = "\n".join(f"{path}:\n{_tail(path.read_text(errors='replace'))}" for path in logs)
            what = "ended while starting" if ended else f"did not answer within {SECONDS_TO_START} s"
            raise ServerError(f"Elasticsearch {what}\n{tail}")
        time.sleep(0.3)


def _answers(server: Server, path: str) -> bool:
    request = urllib.request.Request(server.urls[0] + path)
    context = ssl.create_default_context(cafile=server.ca) if server.ca else None
    if server.users:
        pair = b64encode(f"elastic:{server.users['elastic']}".encode()).decode()
        request.add_header("Authorization", f"Basic {pair}")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=10):
            return True
    except (OSError, urllib.error.URLError):
        return False


def _tail(text: str, lines: int = 25) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


# --- state and stopping


def _remember(folder: Path, server: Server) -> Server:
    path = folder / "server.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(server), indent=1) + "\n")
    return server


def stop(folder: Path) -> None:
    """Stop the server of this folder, by the ids it was started with."""
    try:
        state = json.loads((folder / "server.json").read_text())
    except FileNotFoundError:
        raise ServerError(f"{folder} has no running server") from None
    if state["container"]:
        subprocess.run(["docker", "stop", state["container"]], capture_output=True, check=False)
    for signal_number, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
        # Each node leads a process group of its own: the launcher and the server that it starts.
        groups = [pid for pid in state["pids"] if _is_ours(pid, folder)]
        for pid in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal_number)
        deadline = time.monotonic() + seconds
        while any(_alive(pid) for pid in groups) and time.monotonic() < deadline:
            time.sleep(0.1)
    (folder / "server.json").unlink()


def _alive(pid: int) -> bool:
    if pid in _children:
        return _children[pid].poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        # Ended, but its new parent has not waited for it: some containers have no init that does.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _is_ours(pid: int, folder: Path) -> bool:
    """Guards against an id that was given to another process since."""
    if not Path("/proc/self/environ").exists():
        return _alive(pid)
    with contextlib.suppress(OSError):
        return str(folder.resolve()).encode() in Path(f"/proc/{pid}/environ").read_bytes()
    return False


# --- commands


def run(command: Sequence[str], nodes: int) -> int:
    """Run a command with ELASTICSEARCH_URL set; its exit code. The server ends with it."""
    if os.environ.get("ELASTICSEARCH_URL"):
        return subprocess.run(command).returncode
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(dir=cache_folder(), prefix="run-"))
    folder.chmod(0o755)
    try:
        print("starting Elasticsearch ...", file=sys.stderr, flush=True)
        server = start(folder, nodes=nodes)
        try:
            environment = {**os.environ, "ELASTICSEARCH_URL": server.urls[0]}
            print(f"Elasticsearch {VERSION} at {server.urls[0]}", file=sys.stderr, flush=True)
            return subprocess.run(command, env=environment).returncode
        finally:
            stop(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    actions = parser.add_subparsers(dest="action", required=True)
    begin = actions.add_parser("start", help="start a server and print its URL")
    begin.add_argument("--port", type=int, default=0, help="HTTP port; 0 takes a free one")
    begin.add_argument("--nodes", type=int, default=1)
    begin.add_argument("--tls", action="store_true", help="TLS and passwords; see FOLDER/server.json")
    begin.add_argument("--roles", type=Path, help="roles.yml, with --tls")
    begin.add_argument("--user", action="append", default=[], metavar="NAME:ROLE,...", help="file-realm user")
    begin.add_argument("--heap", default="512m")
    end = actions.add_parser("stop", help="stop it")
    for action in (begin, end):
        action.add_argument("--dir", type=Path, default=Path(".server"), help="data, logs and state")
    through = actions.add_parser("run", help="run a command with a server")
    through.add_argument("--nodes", type=int, default=1)
    through.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


def main() -> int:
    """Exit code: 0, that of the command, or 1 with the reason on stderr."""
    options = _arguments()
    try:
        if options.action == "run":
            command = options.command[1:] if options.command[:1] == ["--"] else options.command
            return run(command, options.nodes)
        if options.action == "stop":
            stop(options.dir)
            return 0
        server = start(
            options.dir,
            port=options.port,
            nodes=options.nodes,
            tls=options.tls,
            roles=options.roles,
            users=options.user,
            heap=options.heap,
        )
        print("\n".join(server.urls))
    except ServerError as error:
        print(f"elasticsearch_server: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
