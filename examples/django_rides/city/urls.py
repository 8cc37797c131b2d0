from django.contrib.auth.views import LoginView
from django.urls import path

from city import issuer, views

urlpatterns = [
    path("", views.home, name="home"),
    path("rides/<uuid:ride>", views.ride, name="ride"),
    path("rides/<uuid:ride>/cancel", views.cancel, name="cancel"),
    path("log-in", LoginView.as_view(template_name="form.html")),
    path(".well-known/openid-configuration", issuer.configuration),
    path("jwks.json", issuer.jwks),
]
