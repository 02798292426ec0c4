import gc
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myhealth.settings")
try:
    from django.conf import settings

    if not settings.SERVING:
        raise ImproperlyConfigured("SERVICE must say what to serve: api, processor or sandbox.")
    application = get_wsgi_application()
    # Imports all views; what is there now stays, so the collector need not look at it again.
    get_resolver().check()
    gc.collect()
    gc.freeze()
except ImproperlyConfigured as problem:
    # A trace would bury the one message that helps.
    sys.exit(str(problem))
