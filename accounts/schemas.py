"""OpenAPI schemas of the routes that issue tokens."""

from myhealth.schemas import component

TOKENS = component(
    "Tokens",
    {
        "type": "object",
        "required": ["token", "access", "refresh"],
        "properties": {
            "token": {"type": "string", "description": "The same as `access`."},
            "access": {"type": "string", "description": "Valid for 15 minutes."},
            "refresh": {"type": "string", "description": "Can be used once, within 30 days."},
        },
    },
)
