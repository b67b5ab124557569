"""The extension's tests under AddressSanitizer and UndefinedBehaviorSanitizer: `make sanitize`."""

VARIABLE = "SANITIZED_EXTENSION"
"""The environment variable that says where the sanitized extension lies."""
