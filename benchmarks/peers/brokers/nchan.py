"""nchan, nginx's publish and subscribe: Debian's libnginx-mod-nchan."""

import base64
import contextlib
import hashlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import infra

from brokers import links
from brokers.broker import Broker
from cabrank.trial.load.link import Link
from schemas.trips import Role

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
CONF = """\
load_module {module};
daemon off;
master_process off;
pid {where}/nginx.pid;
error_log {where}/nginx.log crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; use epoll; multi_accept on; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 1d;
  client_body_temp_path {where}/body;
  proxy_temp_path {where}/proxy;
  fastcgi_temp_path {where}/fastcgi;
  uwsgi_temp_path {where}/uwsgi;
  scgi_temp_path {where}/scgi;
  nchan_max_reserved_memory 256M;
  nchan_message_buffer_length 1000;
  nchan_message_timeout 5s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    secure_link $arg_s,$arg_e;
    secure_link_md5 "$arg_e$arg_u {secret}";
    location = /driver {{
      if ($secure_link = "") {{ return 403; }}
      nchan_subscriber websocket;
      nchan_channel_id drivers;
      nchan_subscriber_first_message newest;
      nchan_websocket_ping_interval 0;
    }}
    location = /rider {{
      if ($secure_link = "") {{ return 403; }}
      nchan_pubsub websocket;
      nchan_subscriber_channel_id $arg_u;
      nchan_publisher_channel_id drivers;
    }}
  }}
}}
"""


def lacking() -> str | None:
    if shutil.which("nginx") and MODULE.exists():
        return None
    return "nchan is missing (apt-get install nginx-light libnginx-mod-nchan)"


def token(role: Role) -> str:
    """As `secure_link` checks it: nginx of Debian reads no JWT."""
    user = f"{role.value}-{uuid.uuid4()}"
    until = int(time.time()) + links.TOKEN_TTL_S
    digest = hashlib.md5(f"{until}{user} {links.SECRET}".encode()).digest()  # noqa: S324 (nginx's)
    signed = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return f"s={signed}&e={until}&u={user}"


@contextlib.contextmanager
def start(where: Path) -> Iterator[str]:
    port = infra.free_port()
    conf = where / "nginx.conf"
    told = {"module": MODULE, "where": where, "port": port, "secret": links.SECRET}
    conf.write_text(CONF.format_map(told))
    command = ["nginx", "-c", conf, "-e", where / "nginx.log"]
    with infra.serving(where, command, port) as base:
        yield base


async def connect(
    base: str,
    token: str,
    since: int | None,  # noqa: ARG001 (it passes on what is new)
    on_frame: links.Frames,
    on_closed: Callable[[int], None],
) -> Link:
    role = "driver" if "&u=driver" in token else "rider"
    link = links.Texting(on_frame, on_closed)
    await links.opened(link, links.socket(base, f"/{role}?{token}"))
    on_frame(links.WELCOME)
    return link


NCHAN = Broker(
    "nchan",
    "MIT",
    "nginx 1.22 with nchan 1.3.6, one process, in memory, no log, no pings; a link "
    "signed by MD5 (`secure_link`) in the place of a token",
    start,
    connect,
    token,
    lacking,
)
