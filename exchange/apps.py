import importlib

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ExchangeConfig(AppConfig):
    name = "exchange"

    def ready(self) -> None:
        """Register the deployment checks and make ours the current Celery application."""
        importlib.import_module("exchange.checks")
        importlib.import_module("exchange.celery")


class OperationConfig(AdminConfig):
    default_site = "exchange.operation.Site"
