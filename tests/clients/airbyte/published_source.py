"""Airbyte's published source for the API, unchanged, trusting what SSL_CERT_FILE names."""

import truststore

truststore.inject_into_ssl()

from source_genesys.run import run  # noqa: E402 - only now, so that it makes its connections with that

run()
