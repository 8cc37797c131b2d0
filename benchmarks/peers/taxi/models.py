"""One table, as the tutorials have it."""

import uuid

from django.db import models


class Trip(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)
    pick_up_address = models.CharField(max_length=255)
    drop_off_address = models.CharField(max_length=255)
    status = models.CharField(max_length=20, default="REQUESTED")
    rider = models.CharField(max_length=64, db_index=True)
    driver = models.CharField(max_length=64, default="", db_index=True)

    def __str__(self) -> str:
        return str(self.id)
