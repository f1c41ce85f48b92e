"""The Celery application: a doorbell for workers, nothing more (docs/decisions, the queue of record).

Work lies in Job rows. A message holds an id, so that losing, doubling or delaying one costs only time.
"""

import os
from typing import Any

from celery import Celery
from django.conf import settings
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange.settings")

QUEUE = "exchange"
TIMEOUT = 5  # seconds; with a frozen broker a publish must fail, not wait for ever
HARD_LIMIT = 30 * 60  # seconds of one task: after it the worker's child is killed and the job's lease runs out
DELIVERY_LIMIT = 5  # a message that kills its worker is dropped after so many tries; its job is rung again or dead


def transport_options(broker: str) -> dict[str, Any]:  # Any: each transport has options of its own
    if broker.startswith("amqp"):
        return {
            "confirm_publish": True,
            "connect_timeout": TIMEOUT,
            "read_timeout": TIMEOUT,
            "write_timeout": TIMEOUT,
        }
    # An hour is the default after which a killed worker's message is given to another.
    return {"visibility_timeout": 60, "socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}


def queue(broker: str) -> Queue:
    """On RabbitMQ a quorum queue: a classic one redelivers a poisonous message for ever."""
    quorum = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
    return Queue(QUEUE, routing_key=QUEUE, queue_arguments=quorum if broker.startswith("amqp") else None)


def configure(application: Celery, *, broker: str) -> None:
    application.conf.update(
        broker_url=broker,
        broker_transport_options=transport_options(broker),
        broker_connection_timeout=TIMEOUT,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        accept_content=["json"],
        task_serializer="json",
        task_queues=[queue(broker)],
        task_default_queue=QUEUE,
        task_default_routing_key=QUEUE,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_publish_retry=False,  # the relay rings again by itself
        task_store_eager_result=False,
        task_time_limit=HARD_LIMIT,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_proc_alive_timeout=60,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        enable_utc=True,
        timezone="UTC",
    )


app = Celery("exchange", set_as_current=True)


@app.on_configure.connect  # type: ignore[untyped-decorator, unused-ignore]
def _from_settings(sender: Celery, **_: object) -> None:
    configure(sender, broker=settings.CELERY_BROKER_URL)


app.autodiscover_tasks(["transfers"])
