"""Stand-ins for the official images, for machines that reach no container registry.

    python -m tests.containers.standins UNPACKED PYTHON

Each is made of programs of this machine (or of UNPACKED, a folder that Debian packages
were unpacked into) and the libraries these need: nats-server of the installed wheel,
Debian's PostgreSQL and HAProxy, the interpreter PYTHON, and BusyBox. They stand for the
wiring: ports, users, entry points, variables. They are not the official images: glibc
where those have musl, other minor versions, no entry point scripts but the part that
this repository uses. Prints the images' names as compose.yaml's variables.
"""

import hashlib
import io
import os
import re
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

ELF = b"\x7fELF"
LEFT_OUT = {"__pycache__", "test", "tests", "idlelib", "bitcode", "turtledemo"}
LEFT_OUT_ENDS = (".a", ".pyc", "llvmjit.so")
LIBRARIES = (
    *("libstdc++.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"),
    *("libutil.so.1", "libm.so.6", "libresolv.so.2"),
)
"""What wheels may take for granted (PEP 600)."""
LOADED_LATER = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2")
"""Libraries that no program names but some open at run time."""
LABEL = "cabrank.stand-in"
MADE_BY = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
"""Images of another version of this file are made anew."""
USERS = {"root": 0, "postgres": 70, "haproxy": 99, "app": 1000, "nobody": 65534}
"""As in the official images."""

POSTGRES_ENTRYPOINT = """\
#!/bin/sh
# The part of the official entry point that tests and compose.yaml use. setpriv by its
# path: the shell prefers its own, which can do less.
set -e
: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
export PGDATA
case "${1:-postgres}" in
  -*) set -- postgres "$@" ;;
esac
[ "${1:-postgres}" = postgres ] || exec "$@"
[ $# = 0 ] || shift
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  exec /usr/local/bin/setpriv --reuid=postgres --regid=postgres --clear-groups \\
    "$0" postgres "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=$POSTGRES_PASSWORD
  [ -z "$POSTGRES_PASSWORD_FILE" ] || password=$(cat "$POSTGRES_PASSWORD_FILE")
  [ -n "$password" ] || { echo "Error: no superuser password is given." >&2; exit 1; }
  umask 077
  printf '%s\\n' "$password" >/tmp/password
  initdb -U "$POSTGRES_USER" --pwfile=/tmp/password -E UTF8 --locale=C.UTF-8 \\
    --auth-local=trust $POSTGRES_INITDB_ARGS
  rm /tmp/password
  printf 'host all all all scram-sha-256\\n' >>"$PGDATA/pg_hba.conf"
  pg_ctl -w -s start -o "-c listen_addresses= -c unix_socket_directories=/tmp"
  [ "$POSTGRES_DB" = postgres ] ||
    printf 'CREATE DATABASE :"name";' |
    psql -q -v ON_ERROR_STOP=1 -v name="$POSTGRES_DB" -h /tmp -U "$POSTGRES_USER" \\
      postgres
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ ! -e "$file" ] || psql -q -v ON_ERROR_STOP=1 -h /tmp -U "$POSTGRES_USER" \\
      -f "$file" "$POSTGRES_DB"
  done
  pg_ctl -w -s -m fast stop
fi
exec postgres -c listen_addresses='*' \\
  -c unix_socket_directories=/var/run/postgresql "$@"
"""


class Image:
    """A root file system as a list of what goes where, and the image's settings."""

    def __init__(self, name: str, *changes: str, libraries: Path | None = None) -> None:
        """`changes`: a Dockerfile's lines; `libraries`: where some were unpacked."""
        self.name = name
        self._libraries = libraries
        self._changes = (*changes, f"LABEL {LABEL}={MADE_BY}")
        self._files: dict[str, Path | bytes] = {}
        self._folders: dict[str, tuple[int, int]] = {
            "/tmp": (0o1777, 0),
            "/run": (0o755, 0),
            "/proc": (0o755, 0),
            "/sys": (0o755, 0),
            "/dev": (0o755, 0),
            "/root": (0o700, 0),
        }
        passwd = "".join(f"{u}:x:{n}:{n}::/tmp:/bin/sh\n" for u, n in USERS.items())
        group = "".join(f"{u}:x:{n}:\n" for u, n in USERS.items())
        self.write("/etc/passwd", passwd)
        self.write("/etc/group", group)
        self.write("/etc/nsswitch.conf", "hosts: files dns\n")

    def folder(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        self._folders[path] = (mode, owner)

    def write(self, path: str, text: str) -> None:
        self._files[path] = text.encode()

    def link(self, path: str, to: str) -> None:
        self._files[path] = Path(to)

    def put(
        self, source: Path, path: str | None = None, but: Iterable[str] = ()
    ) -> None:
        """A file, or a tree without what nothing needs at run time."""
        path = path or str(source)
        if not source.is_dir():
            if not source.exists():
                raise SystemExit(f"{source} is missing")
            self._files.setdefault(path, source)
            return
        for root, folders, files in os.walk(source):
            folders[:] = [name for name in folders if name not in {*LEFT_OUT, *but}]
            for name in files:
                if not name.endswith(LEFT_OUT_ENDS):
                    found = Path(root, name)
                    inside = f"{path}/{found.relative_to(source)}"
                    self._files.setdefault(inside, found)

    def busybox(self, program: Path, but: Iterable[str] = ()) -> None:
        """The usual commands in /bin."""
        self.put(program, "/bin/busybox")
        listed = _output(str(program), "--list").split()
        for name in sorted(set(listed) - {"busybox", *but}):
            self.link(f"/bin/{name}", "busybox")

    def load(self) -> None:
        """Hand it to the engine."""
        self._add_libraries()
        options = [part for change in self._changes for part in ("--change", change)]
        command = ["docker", "import", *options, "-", self.name]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as engine:
            assert engine.stdin is not None
            with tarfile.open(fileobj=engine.stdin, mode="w|") as archive:
                self._write_to(archive)
            engine.stdin.close()
        if engine.returncode:
            raise SystemExit(f"docker import of {self.name} failed")

    def _add_libraries(self) -> None:
        programs = [
            source
            for source in self._files.values()
            if isinstance(source, Path) and source.is_absolute() and _is_elf(source)
        ]
        for start in range(0, len(programs), 200):
            part = map(str, programs[start : start + 200])
            found = re.findall(
                r"(?:=> )?(/\S+) \(0x", _output("ldd", *part, libraries=self._libraries)
            )
            for library in sorted(set(found)):
                self.add_library(Path(library))
        for name in LOADED_LATER:
            self.add_library(Path("/lib/x86_64-linux-gnu", name))

    def add_library(self, library: Path) -> None:
        """Put one where the loader looks, wherever it was unpacked to."""
        if library.exists():
            inside = (
                library if "ld-linux" in library.name else Path("/lib", library.name)
            )
            self._files.setdefault(str(inside), library.resolve())

    def _write_to(self, archive: tarfile.TarFile) -> None:
        for path, (mode, owner) in sorted(self._folders.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            entry.uid = entry.gid = owner
            archive.addfile(entry)
        for path, source in sorted(self._files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            if isinstance(source, bytes):
                entry.size, entry.mode = len(source), 0o755
                archive.addfile(entry, io.BytesIO(source))
            elif not source.is_absolute():
                entry.type, entry.linkname = tarfile.SYMTYPE, str(source)
                archive.addfile(entry)
            else:
                facts = source.stat()
                entry.size, entry.mode = facts.st_size, stat.S_IMODE(facts.st_mode)
                with source.open("rb") as file:
                    archive.addfile(entry, file)


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == ELF


def _output(*command: str, libraries: Path | None = None) -> str:
    found = {} if libraries is None else {"LD_LIBRARY_PATH": str(libraries)}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **found},
    )
    return done.stdout


def nats(busybox: Path) -> Image:
    image = Image(
        "nats:2.15-alpine",
        "ENV PATH=/usr/local/bin:/bin",
        "EXPOSE 4222 6222 8222",
        'ENTRYPOINT ["nats-server"]',
        'CMD ["--config", "/etc/nats/nats-server.conf"]',
    )
    image.busybox(busybox)
    server = Path(sys.executable).with_name("nats-server")
    image.put(server, "/usr/local/bin/nats-server")
    image.write("/etc/nats/nats-server.conf", "port: 4222\nmonitor_port: 8222\n")
    return image


def postgres(busybox: Path) -> Image:
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin/postgres")).parent
    version = binaries.parent.name
    image = Image(
        f"postgres:{version}-alpine",
        f"ENV PATH={binaries}:/usr/local/bin:/bin:/usr/bin LANG=C.UTF-8 "
        "PGDATA=/var/lib/postgresql/data",
        "VOLUME /var/lib/postgresql/data",
        "EXPOSE 5432",
        'ENTRYPOINT ["/usr/local/bin/docker-entrypoint.sh"]',
        'CMD ["postgres"]',
    )
    image.busybox(busybox, but=["setpriv"])
    for tree in (binaries.parent, Path(f"/usr/share/postgresql/{version}")):
        image.put(tree)
    for tree in ("/usr/share/zoneinfo", "/usr/lib/locale/C.utf8"):
        image.put(Path(tree))
    image.put(Path("/usr/bin/setpriv"), "/usr/local/bin/setpriv")
    image.write("/usr/local/bin/docker-entrypoint.sh", POSTGRES_ENTRYPOINT)
    image.folder("/var/lib/postgresql/data", 0o1777, USERS["postgres"])
    image.folder("/var/run/postgresql", 0o1777, USERS["postgres"])
    return image


def haproxy(busybox: Path, unpacked: Path) -> Image:
    program = unpacked / "usr/sbin/haproxy"
    libraries = unpacked / "usr/lib/x86_64-linux-gnu"
    said = _output(str(program), "-v", libraries=libraries)
    version = re.search(r"version (\d+\.\d+)", said)
    assert version is not None, said
    image = Image(
        f"haproxy:{version[1]}-alpine",
        "ENV PATH=/usr/local/sbin:/bin",
        "USER haproxy",
        'ENTRYPOINT ["haproxy", "-W", "-db"]',
        'CMD ["-f", "/usr/local/etc/haproxy/haproxy.cfg"]',
        libraries=libraries,
    )
    image.busybox(busybox)
    image.put(program, "/usr/local/sbin/haproxy")
    return image


def prometheus(busybox: Path) -> Image | None:
    """None: it isn't installed."""
    program = Path("/usr/bin/prometheus")
    if not program.exists():
        return None
    said = _output(str(program), "--version")
    version = re.search(r"version (\d+\.\d+\.\d+)", said)
    assert version is not None, said
    image = Image(
        f"prom/prometheus:v{version[1]}",
        "ENV PATH=/bin",
        "USER nobody",
        'ENTRYPOINT ["/bin/prometheus"]',
    )
    image.busybox(busybox)
    image.put(program, "/bin/prometheus")
    image.folder("/prometheus", 0o755, USERS["nobody"])
    return image


def python(busybox: Path, interpreter: Path, unpacked: Path) -> Image:
    asked = "import sys; print(sys.base_prefix, '%d.%d' % sys.version_info[:2])"
    prefix, version = _output(str(interpreter), "-c", asked).split()
    image = Image(
        f"python:{version}-slim",
        "ENV PATH=/usr/local/bin:/bin:/usr/bin LANG=C.UTF-8",
        'CMD ["python3"]',
    )
    image.busybox(busybox)
    image.put(Path(prefix, "bin", f"python{version}"), "/usr/local/bin/python3")
    image.link("/usr/local/bin/python", "python3")
    ours = f"/usr/local/lib/python{version}"
    image.put(Path(prefix, "lib", f"python{version}"), ours, but=["site-packages"])
    pip = Path(prefix, "lib", f"python{version}", "site-packages", "pip")
    image.put(pip, f"{ours}/site-packages/pip")
    for name in LIBRARIES:
        image.add_library(Path("/usr/lib/x86_64-linux-gnu", name))
    for strip in (Path("/usr/bin/strip"), unpacked / "usr/bin/strip"):
        if strip.exists():
            image.put(strip, "/usr/bin/strip")
    image.put(Path("/etc/ssl/certs/ca-certificates.crt"))
    return image


def main(unpacked: Path, interpreter: Path) -> None:
    busybox = unpacked / "bin/busybox"
    ours = f"label={LABEL}={MADE_BY}"
    names = "{{.Repository}}:{{.Tag}}"
    there = _output("docker", "images", "--filter", ours, "--format", names).split()
    made = {
        "CABRANK_NATS_IMAGE": nats(busybox),
        "CABRANK_POSTGRES_IMAGE": postgres(busybox),
        "CABRANK_HAPROXY_IMAGE": haproxy(busybox, unpacked),
        "CABRANK_PROMETHEUS_IMAGE": prometheus(busybox),
        "CABRANK_PYTHON_IMAGE": python(busybox, interpreter, unpacked),
    }
    for variable, image in made.items():
        if image is None:
            continue
        if image.name not in there:
            image.load()
        sys.stdout.write(f"{variable}={image.name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
