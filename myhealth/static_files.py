"""How static files are named once `collectstatic` has collected them."""

import whitenoise.storage  # type: ignore[import-untyped]


class CollectedFiles(whitenoise.storage.CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Files with a hash of their content in their names, so that browsers may keep them forever."""

    manifest_strict = False

    def stored_name(self, name: str) -> str:
        """Return the name of a file in addresses: its own, if it was not collected.

        A page without its style sheet says more than none.
        """
        try:
            stored: str = super().stored_name(name)
        except ValueError:
            return name
        return stored
