"""The official Python SDK, run by the commands of a test: see `commands.py`."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import PureCloudPlatformClientV2 as genesys  # noqa: N813 - its own name is not Python's style
from commands import run_commands
from PureCloudPlatformClientV2.rest import ApiException

POLL_S = 0.02
"""The sandbox's clock runs fast."""

LISTINGS = {
    "queues": lambda api, **page: genesys.RoutingApi(api).get_routing_queues(**page),
    "users": lambda api, **page: genesys.UsersApi(api).get_users(**page),
    "wrapupcodes": lambda api, **page: genesys.RoutingApi(api).get_routing_wrapupcodes(**page),
    "divisions": lambda api, **page: genesys.AuthorizationApi(api).get_authorization_divisions(**page),
    "skills": lambda api, **page: genesys.RoutingApi(api).get_routing_skills(**page),
    "languages": lambda api, **page: genesys.RoutingApi(api).get_routing_languages(**page),
    "groups": lambda api, **page: genesys.GroupsApi(api).get_groups(**page),
    "campaigns": lambda api, **page: genesys.OutboundApi(api).get_outbound_campaigns(**page),
    "flows": lambda api, **page: genesys.ArchitectApi(api).get_flows(**page),
}


class Client:
    """What the tests ask of each client."""

    api: Any

    def log_in(self, url: str, client_id: str, client_secret: str, domain: str = "") -> None:
        """Takes a token; of a domain's own hosts, where one is given."""
        genesys.configuration.host = f"https://api.{domain}" if domain else url
        if domain:  # it reads neither variable by itself
            genesys.configuration.proxy = os.environ["HTTPS_PROXY"]
            genesys.configuration.ssl_ca_cert = os.environ["SSL_CERT_FILE"]
        self.api = genesys.api_client.ApiClient().get_client_credentials_token(client_id, client_secret)

    def query(self, interval: str, page_size: int) -> list[Any]:
        """Every conversation of a details query, page by page."""
        return [as_json(conversation) for conversation in self._queried(interval, page_size)]

    def _queried(self, interval: str, page_size: int) -> Iterator[Any]:
        body = genesys.ConversationQuery()
        body.interval = interval
        body.paging = genesys.PagingSpec()
        body.paging.page_size, body.paging.page_number = page_size, 1
        analytics = genesys.AnalyticsApi(self.api)
        while page := analytics.post_analytics_conversations_details_query(body).conversations:
            yield from page
            body.paging.page_number += 1

    def job(self, interval: str, page_size: int) -> list[Any]:
        """Every conversation that a details job finds, page by page."""
        analytics = genesys.AnalyticsApi(self.api)
        body = genesys.AsyncConversationQuery()
        body.interval, body.start_of_day_interval_matching = interval, True
        job_id = analytics.post_analytics_conversations_details_jobs(body).job_id
        while analytics.get_analytics_conversations_details_job(job_id).state in {"QUEUED", "PENDING"}:
            time.sleep(POLL_S)
        page = analytics.get_analytics_conversations_details_job_results(job_id, page_size=page_size)
        conversations = list(page.conversations)
        while page.cursor:
            page = analytics.get_analytics_conversations_details_job_results(
                job_id, cursor=page.cursor, page_size=page_size
            )
            conversations += page.conversations
        return [as_json(conversation) for conversation in conversations]

    def teams(self, page_size: int) -> list[Any]:
        """Every team; they are paged by cursor."""
        page = genesys.TeamsApi(self.api).get_teams(page_size=page_size)
        teams = list(page.entities)
        while page.next_uri:
            after = parse_qs(urlsplit(page.next_uri).query)["after"][0]
            page = genesys.TeamsApi(self.api).get_teams(page_size=page_size, after=after)
            teams += page.entities
        return [as_json(team) for team in teams]

    def look_up(self, kind: str, page_size: int) -> list[Any]:
        """Every entity of a listing, page by page."""
        entities: list[Any] = []
        number = 1
        while page := LISTINGS[kind](self.api, page_size=page_size, page_number=number).entities:
            entities += map(as_json, page)
            number += 1
        return entities

    def call(self, api: str, method: str, arguments: list[Any]) -> Any:
        """What one method of one of the SDK's classes gives."""
        return as_json(getattr(getattr(genesys, api)(self.api), method)(*arguments))

    def refusal(self, error: Exception) -> dict[str, Any] | None:
        """What the client shows of an error of the API."""
        if not isinstance(error, ApiException):
            return None
        return {"status": error.status, "body": error.body, "retryAfter": error.headers.get("Retry-After")}


def as_json(value: Any) -> Any:
    """A model under the API's own names, as the model's `attribute_map` has them."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    if not hasattr(value, "attribute_map"):
        return value
    fields = {name: getattr(value, attribute) for attribute, name in value.attribute_map.items()}
    return {name: as_json(field) for name, field in fields.items() if field is not None}


if __name__ == "__main__":
    run_commands(Client())
