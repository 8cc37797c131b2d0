"""A Django site whose own users ride.

    openssl genpkey -algorithm ed25519 -out key.pem
    python manage.py migrate
    python manage.py createsuperuser
    CABRANK_OIDC_ISSUER=http://127.0.0.1:9000 CABRANK_OIDC_AUDIENCE=cabrank cabrank up
    CABRANK_URL=http://127.0.0.1:8000 python manage.py runserver 9000

The site is its users' issuer (city/issuer.py); city/views.py asks for their trips.
"""

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "city.settings")
execute_from_command_line(sys.argv)
