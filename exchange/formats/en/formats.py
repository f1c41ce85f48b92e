"""How the admin writes dates: 24 hours, and the zone beside it (Django's FORMAT_MODULE_PATH)."""

DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i T"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "Y-m-d H:i T"
