"""What the services tell of themselves, at `/openapi.json` and `/docs`."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest

from nexus_core.settings.sections import Callback
from nexus_core.settings.values import Secret
from support.promql import matchers_of
from support.services import World
from support.watching import queries

RUN = "{algorithmName}/requests/{requestId}"

# As the contract lists them.
V1 = {
    ("post", "run/{algorithmName}"),
    ("post", f"cancel/{RUN}"),
    ("get", f"results/{RUN}"),
    ("get", "results/tags/{requestTag}"),
    ("get", f"metadata/{RUN}"),
    ("post", f"metadata/tags/{RUN}"),
    ("get", f"buffer/{RUN}"),
    ("get", f"payload/{RUN}"),
}
DATA = {("get", f"payloads/{RUN}"), ("get", f"results/{RUN}"), ("put", f"uploads/{RUN}")}
PROBES = {("get", "/livez"), ("get", "/readyz"), ("get", "/metrics")}


async def test_scheduler_documents_every_route(world: World) -> None:
    async with world.scheduler() as url:
        document = await document_at(world, url)

    assert operations_in(document) == {
        *((method, f"/algorithm/v1/{path}") for method, path in V1),
        *((method, f"/algorithm/{path}") for method, path in V1),
        ("get", "/algorithm/runs"),
        ("get", f"/algorithm/explain/{RUN}"),
        ("get", f"/algorithm/logs/{RUN}"),
        *((method, f"/data/v1/{path}") for method, path in DATA),
        *PROBES,
    }


async def test_receiver_documents_every_route(world: World) -> None:
    async with world.receiver() as url:
        document = await document_at(world, url)

    assert operations_in(document) == {
        ("post", f"/algorithm/v1/complete/{RUN}"),
        ("get", f"/algorithm/v1/check/{RUN}"),
        *PROBES,
    }


async def test_every_endpoint_that_alerts_and_dashboards_ask_for_is_served(world: World) -> None:
    async with world.scheduler() as scheduler, world.receiver() as receiver:
        documents = [await document_at(world, url) for url in (scheduler, receiver)]
    served = [path for document in documents for _, path in operations_in(document)]
    matchers = [matcher for query in queries() for matcher in matchers_of(query)]
    asked = {matcher.value for matcher in matchers if matcher.name == "endpoint"}
    assert len(asked) > 3
    assert [ask for ask in asked if not any(re.fullmatch(ask, path) for path in served)] == []


async def test_call_back_between_services_is_not_documented(world: World) -> None:
    async with world.scheduler(callback=Callback(secret=Secret("shared"))) as url:
        document = await document_at(world, url)
        async with world.session.post(f"{url}/internal/v1/finished") as answer:
            assert answer.status == 401, "it is served"

    assert not [path for path in document["paths"] if "internal" in path]


async def test_token_is_asked_for_where_one_is_configured(world: World) -> None:
    async with world.scheduler(api_tokens=(Secret("secret"),)) as url:
        document = await document_at(world, url)

    paths = document["paths"]
    assert paths["/algorithm/v1/run/{algorithmName}"]["post"]["security"] == [{"bearer": []}]
    assert paths[f"/data/v1/payloads/{RUN}"]["get"]["security"] == []
    assert paths["/livez"]["get"]["security"] == []


async def test_page_needs_nothing_from_elsewhere(world: World) -> None:
    async with world.scheduler() as url:
        parts = await page_at(world, url)

    assert {content_type for content_type, _ in parts.values()} == {
        "text/html; charset=utf-8",
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
        "application/json",
    }
    page = [text for kind, text in parts.values() if kind != "application/json"]
    assert not [text for text in page if re.search(r"https?://|@import|\burl\(", text)]


async def test_page_never_takes_text_for_markup(world: World) -> None:
    async with world.scheduler() as url:
        parts = await page_at(world, url)

    [script] = [text for kind, text in parts.values() if kind.startswith("text/javascript")]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval", script)


@pytest.mark.parametrize("path", ["/docs", "/docs/page.css", "/docs/page.js", "/openapi.json"])
async def test_page_lets_no_foreign_script_run(world: World, path: str) -> None:
    async with world.scheduler() as url, world.session.get(url + path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        sniffing = answer.headers["X-Content-Type-Options"]

    assert sniffing == "nosniff"
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


async def document_at(world: World, url: str) -> Any:
    async with world.session.get(f"{url}/openapi.json") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        return await answer.json()


def operations_in(document: Any) -> set[tuple[str, str]]:
    return {(method, path) for path, item in document["paths"].items() for method in item}


async def page_at(world: World, url: str) -> dict[str, tuple[str, str]]:
    """Return the page and all that it links to, as (content type, text) by URL."""
    page = f"{url}/docs"
    parts = {page: await part_at(world, page)}
    links = Links()
    links.feed(parts[page][1])
    for link in links.found:
        part = urljoin(page, link)
        parts[part] = await part_at(world, part)
    return parts


async def part_at(world: World, url: str) -> tuple[str, str]:
    async with world.session.get(url) as answer:
        assert answer.status == 200, url
        return answer.headers["Content-Type"], await answer.text()


class Links(HTMLParser):
    """Collects what a page links to, but for places in itself and data in the link."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        links = {value for key, value in attrs if key in {"href", "src"} and value}
        self.found |= {link for link in links if not link.startswith(("#", "data:"))}


async def test_a_story_is_documented_as_json_and_as_text(world: World) -> None:
    async with world.scheduler() as url:
        document = await document_at(world, url)

    answers = document["paths"][f"/algorithm/explain/{RUN}"]["get"]["responses"]
    assert list(answers["200"]["content"]) == ["application/json", "text/plain"]
    assert list(answers["404"]["content"]) == ["application/problem+json"]
