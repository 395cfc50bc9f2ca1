"""dlt's rest_api source into files of a format, a table for each level of nesting, as dlt makes them by default.

python bench/clients/with_dlt.py INTERVAL FOLDER csv|parquet
"""

import os
import sys
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dlt
from dlt.common.configuration import configspec
from dlt.destinations import filesystem
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
from dlt.sources.rest_api import RESTAPIConfig, rest_api_source

if TYPE_CHECKING:
    from dlt.common.destination import TLoaderFileFormat


@configspec
class BasicClientCredentials(OAuth2ClientCredentials):  # type: ignore[misc] # dlt is not followed
    """The client's id and secret where the API wants them: in the Authorization header, not in the form."""

    def build_access_token_request(self) -> dict[str, Any]:
        """The headers and the form of a login."""
        basic = b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return {"headers": {"Authorization": f"Basic {basic}"}, "data": {"grant_type": "client_credentials"}}


def main() -> None:
    interval, folder, format_ = sys.argv[1:]
    url = os.environ["GENESYS_ENV"]
    auth = BasicClientCredentials(
        access_token_url=f"{url}/oauth/token",
        client_id=os.environ["GENESYS_CLIENT_ID"],
        client_secret=os.environ["GENESYS_CLIENT_SECRET"],
    )
    endpoint = {
        "path": "/api/v2/analytics/conversations/details/query",
        "method": "POST",
        "json": {"interval": interval, "paging": {"pageSize": 100}},
        "paginator": PageNumberPaginator(base_page=1, page_body_path="paging.pageNumber", total_path=None),
        "data_selector": "conversations",
    }
    config: RESTAPIConfig = {
        "client": {"base_url": url, "auth": auth},
        "resources": [{"name": "conversations", "endpoint": endpoint}],
    }
    target = Path(folder).resolve()
    pipeline = dlt.pipeline(
        "bench", destination=filesystem(target.as_uri()), dataset_name="out", pipelines_dir=str(target / "state")
    )
    pipeline.run(rest_api_source(config), loader_file_format=cast("TLoaderFileFormat", format_))


if __name__ == "__main__":
    main()
