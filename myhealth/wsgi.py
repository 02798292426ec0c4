import gc
import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myhealth.settings")
# Imports make many objects and no garbage: looking for it would take a tenth of the start.
gc.disable()
try:
    from django.conf import settings

    from myhealth.handler import Handler
    from myhealth.prometheus import reserve_space

    if not settings.SERVING:
        raise ImproperlyConfigured("SERVICE must be one of: api, processor, sandbox.")
    django.setup(set_prefix=False)
    application = Handler()
    reserve_space()
    # Import all views now, and keep what is in memory out of later garbage collections.
    get_resolver().check()
    gc.collect()
    gc.freeze()
    gc.enable()
except ImproperlyConfigured as problem:
    # A traceback would hide the message, which says what to do.
    sys.exit(str(problem))
