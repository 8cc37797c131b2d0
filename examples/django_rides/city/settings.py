"""As `django-admin startproject` makes them, shortened; and what cabrank needs."""

import os
from pathlib import Path

HOME = Path(os.environ.get("HOME_DIR", "."))
DEBUG = True
SECRET_KEY = os.environ.get("SECRET_KEY", "for trying it out alone")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "city",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "city.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"]
        },
    }
]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HOME / "db.sqlite3"}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "/log-in"
LOGIN_REDIRECT_URL = "/"
USE_TZ = True

CABRANK_URL = os.environ.get("CABRANK_URL", "http://127.0.0.1:8000")
ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:9000")
KEY_FILE = os.environ.get("KEY", "key.pem")
