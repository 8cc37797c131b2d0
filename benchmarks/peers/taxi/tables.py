"""`python -m taxi.tables`: makes the table."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taxi.settings")
django.setup()

from django.db import connection  # noqa: E402

from taxi.models import Trip  # noqa: E402

with connection.schema_editor() as editor:
    editor.create_model(Trip)
