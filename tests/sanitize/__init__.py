"""The extension's tests under AddressSanitizer and UndefinedBehaviorSanitizer: `make sanitize`."""

VARIABLE = "SANITIZED_EXTENSION"
"""The environment variable with the path of the sanitized extension."""
