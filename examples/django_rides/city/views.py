"""Pages on which a user of this site rides."""

import uuid

from cabrank_client import HttpClient, Refused, TripNotFound
from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from city.issuer import tokens_of
from city.models import Ride


class RideForm(forms.Form):
    key = forms.UUIDField(widget=forms.HiddenInput)
    start = forms.CharField(max_length=255)
    end = forms.CharField(max_length=255)


def cabrank(request: HttpRequest) -> HttpClient:
    """The API in the name of who is logged in here."""
    return HttpClient(settings.CABRANK_URL, token=tokens_of(request.user))


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The form. Its key is the ride's: a second press of its button makes no other."""
    form = RideForm(request.POST or None, initial={"key": uuid.uuid4()})
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        ride, _ = Ride.objects.get_or_create(
            id=said["key"],
            user=request.user,
            defaults={"start": said["start"], "end": said["end"]},
        )
        try:
            with cabrank(request) as web:
                trip = web.request_trip(
                    ride.start, ride.end, idempotency_key=str(ride.id)
                )
        except Refused as error:
            form.add_error(None, error.message)
        else:
            ride.trip = trip["id"]
            ride.save(update_fields=["trip"])
            return redirect("ride", ride=ride.id)
    return render(request, "home.html", {"form": form})


@login_required
def ride(request: HttpRequest, ride: uuid.UUID) -> HttpResponse:
    """How the ride is, as cabrank has it at this moment."""
    found = get_object_or_404(Ride, id=ride, user=request.user, trip__isnull=False)
    try:
        with cabrank(request) as web:
            trip = web.get_trip(str(found.trip))
    except TripNotFound:
        trip = {"status": "REQUESTED"}  # history lags what was answered by moments
    return render(request, "ride.html", {"ride": found, "trip": trip})


@login_required
@require_POST
def cancel(request: HttpRequest, ride: uuid.UUID) -> HttpResponse:
    found = get_object_or_404(Ride, id=ride, user=request.user, trip__isnull=False)
    try:
        with cabrank(request) as web:
            web.cancel_trip(str(found.trip))
    except Refused as error:
        return HttpResponse(error.message, status=409, content_type="text/plain")
    return redirect("ride", ride=found.id)
