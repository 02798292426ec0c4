"""The lists of the admin, and what they offer."""

from django.contrib import admin as site
from django.urls import reverse

from myhealth.admin import CheckedAdmin


def admins():
    site.autodiscover()
    return [each for each in site.site._registry.values() if isinstance(each, CheckedAdmin)]


def address(each):
    return reverse(f"admin:{each.opts.app_label}_{each.opts.model_name}_changelist")


def offered(client, each):
    """Return the parameters by which a list with rows can be filtered."""
    answer = client.get(address(each))
    names = [
        name for spec in answer.context["cl"].filter_specs for name in spec.expected_parameters()
    ]
    for filter_ in each.get_list_filter(answer.wsgi_request):
        name = getattr(filter_, "parameter_name", None)
        names += [name] if name and name not in names else []
    day = each.date_hierarchy
    return names + ([f"{day}__year", f"{day}__month", f"{day}__day"] if day else [])
