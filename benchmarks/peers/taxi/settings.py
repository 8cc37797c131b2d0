"""Django's settings; what differs between runs comes by environment.

Tuned as the documentation of each part advises: no middleware, DEBUG off, connections
to PostgreSQL kept (CONN_MAX_AGE), Redis by its Unix socket, hiredis installed.
"""

import os

SECRET_KEY = "not a secret: the benchmark's own"  # noqa: S105
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels", "taxi"]
ASGI_APPLICATION = "taxi.asgi.application"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "HOST": "127.0.0.1",
        "PORT": os.environ["PEERS_POSTGRES_PORT"],
        "CONN_MAX_AGE": None,
    }
}
_REDIS = {"hosts": [f"unix://{os.environ['PEERS_REDIS']}"]}
_CAPACITY = int(os.environ.get("PEERS_CAPACITY", "0"))
if _CAPACITY:
    _REDIS["capacity"] = _CAPACITY
CHANNEL_LAYERS = {
    "default": {"BACKEND": os.environ["PEERS_LAYER"], "CONFIG": _REDIS},
}
