"""`GET /manifest.webmanifest`: how phones put these pages on the home screen."""

from django.http import HttpRequest, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

# That of pages, in their style sheet and templates. Pages name the one for the dark themselves.
_COLOUR = "#f5f6f8"
_ICONS = (
    ("icon-192.png", "192x192", "any"),
    ("icon-512.png", "512x512", "any"),
    ("icon-maskable-512.png", "512x512", "maskable"),
)


@require_safe
def manifest(request: HttpRequest) -> JsonResponse:
    start = reverse("today")
    content = {
        "id": start,
        "name": "myhealth",
        "short_name": "myhealth",
        "description": "Your Oura data on your own server.",
        "lang": "en",
        "start_url": start,
        "scope": start,
        "display": "standalone",
        "theme_color": _COLOUR,
        "background_color": _COLOUR,
        "icons": [
            {
                "src": static(f"myhealth/{name}"),
                "sizes": sizes,
                "type": "image/png",
                "purpose": purpose,
            }
            for name, sizes, purpose in _ICONS
        ],
    }
    headers = {"Cache-Control": "public, max-age=3600"}
    return JsonResponse(content, content_type="application/manifest+json", headers=headers)
