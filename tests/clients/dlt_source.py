"""dlt's rest_api source, run by the commands of a test: see `commands.py`."""

import time
from base64 import b64encode
from typing import Any

from commands import run_commands
from dlt.common.configuration import configspec
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import (
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
    PageNumberPaginator,
)
from dlt.sources.rest_api import RESTAPIConfig, rest_api_source
from requests import HTTPError

POLL_S = 0.02
"""The sandbox's clock runs fast."""

JOBS = "/api/v2/analytics/conversations/details/jobs"
QUERY = "/api/v2/analytics/conversations/details/query"
LISTINGS = {
    "queues": "/api/v2/routing/queues",
    "users": "/api/v2/users",
    "wrapupcodes": "/api/v2/routing/wrapupcodes",
    "divisions": "/api/v2/authorization/divisions",
    "flows": "/api/v2/flows",
    "skills": "/api/v2/routing/skills",
    "languages": "/api/v2/routing/languages",
    "groups": "/api/v2/groups",
    "campaigns": "/api/v2/outbound/campaigns",
}


@configspec
class BasicClientCredentials(OAuth2ClientCredentials):  # type: ignore[misc] # dlt is not followed
    """The client's id and secret where the API wants them: in the Authorization header, not in the form."""

    def build_access_token_request(self) -> dict[str, Any]:
        basic = b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return {"headers": {"Authorization": f"Basic {basic}"}, "data": {"grant_type": "client_credentials"}}


class Client:
    """What the tests ask of each client."""

    def log_in(self, url: str, client_id: str, client_secret: str, domain: str = "") -> None:
        """dlt takes a token with its first request; of a domain's own hosts, where one is given."""
        self._url, login = (f"https://api.{domain}", f"https://login.{domain}") if domain else (url, url)
        self._auth = BasicClientCredentials(
            access_token_url=f"{login}/oauth/token", client_id=client_id, client_secret=client_secret
        )

    def query(self, interval: str, page_size: int) -> list[Any]:
        """Every conversation of a details query, page by page."""
        pages = PageNumberPaginator(base_page=1, page_body_path="paging.pageNumber", total_path=None)
        body = {"interval": interval, "paging": {"pageSize": page_size}}
        return self._read({"path": QUERY, "method": "POST", "json": body, "paginator": pages}, "conversations")

    def job(self, interval: str, page_size: int) -> list[Any]:
        """Every conversation that a details job finds, page by page."""
        client = RESTClient(self._url, auth=self._auth)
        body = {"interval": interval, "startOfDayIntervalMatching": True}
        job = f"{JOBS}/{client.post(JOBS, json=body).json()['jobId']}"
        while client.get(job).json()["state"] in {"QUEUED", "PENDING"}:
            time.sleep(POLL_S)
        pages = JSONResponseCursorPaginator(cursor_path="cursor", cursor_param="cursor")
        results = {"path": f"{job}/results", "params": {"pageSize": page_size}, "paginator": pages}
        return self._read(results, "conversations")

    def teams(self, page_size: int) -> list[Any]:
        """Every team; they are paged by cursor."""
        pages = JSONLinkPaginator(next_url_path="nextUri")
        return self._read({"path": "/api/v2/teams", "params": {"pageSize": page_size}, "paginator": pages}, "entities")

    def look_up(self, kind: str, page_size: int) -> list[Any]:
        """Every entity of a listing, page by page."""
        pages = PageNumberPaginator(base_page=1, page_param="pageNumber", total_path="pageCount")
        params = {"pageSize": page_size}
        return self._read({"path": LISTINGS[kind], "params": params, "paginator": pages}, "entities")

    def _read(self, endpoint: Any, selector: str) -> list[Any]:
        config: RESTAPIConfig = {
            "client": {"base_url": self._url, "auth": self._auth},
            "resources": [{"name": "everything", "endpoint": {**endpoint, "data_selector": selector}}],
        }
        return list(rest_api_source(config).resources["everything"])

    def refusal(self, error: BaseException) -> dict[str, Any] | None:
        """What the client shows of an error of the API: the last link of a chain of exceptions."""
        cause = error
        while not isinstance(cause, HTTPError):
            if cause.__cause__ is None:
                return None
            cause = cause.__cause__
        answer = cause.response
        assert answer is not None
        return {"status": answer.status_code, "body": answer.text, "retryAfter": answer.headers.get("Retry-After")}


if __name__ == "__main__":
    run_commands(Client())
