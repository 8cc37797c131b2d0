"""The site's own rides: whose, and which trip of cabrank's each is."""

import uuid

from django.conf import settings
from django.db import models


class Ride(models.Model):
    """`id` is the idempotency key: it is kept before cabrank is asked, so that asking
    again, after whatever went wrong between, finds the same trip.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    start = models.CharField(max_length=255)
    end = models.CharField(max_length=255)
    trip = models.UUIDField(null=True)

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"
