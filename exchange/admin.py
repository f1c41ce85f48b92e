"""What libraries register in the admin and nobody should change behind the trail's back."""

from allauth.account import admin as library
from allauth.account.models import EmailAddress
from django.contrib import admin

assert library  # it must have registered its tables before they are taken out
admin.site.unregister(EmailAddress)
