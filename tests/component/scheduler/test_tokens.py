"""Who may call the API."""

from collections.abc import AsyncIterator

import pytest

from nexus_core.settings.values import Secret
from support.calls import PROBLEM, TEXT, Client
from support.services import World

BODY: dict[str, dict[str, str]] = {"algorithmParameters": {}}
TOKENS = (Secret("the-first"), Secret("the second, é"))


@pytest.fixture
async def api(world: World) -> AsyncIterator[Client]:
    async with world.scheduler(api_tokens=TOKENS) as url:
        yield Client(world.session, url)


@pytest.mark.parametrize(
    "header",
    [None, "Bearer", "Bearer ", "Bearer wrong", "Basic the-first", "the-first", "Bearer é"],
)
@pytest.mark.parametrize(("version", "content_type"), [("/v1", TEXT), ("", PROBLEM)])
async def test_who_has_no_token_is_told_so(
    api: Client, header: str | None, version: str, content_type: str
) -> None:
    headers = {} if header is None else {"Authorization": header}
    for answer in (
        await api.post(f"/algorithm{version}/run/hello-world", BODY, headers=headers),
        # Whether there is such a run is nobody's business either.
        await api.get(f"/algorithm{version}/results/tags/x", headers=headers),
    ):
        assert (answer.status, answer.content_type) == (401, content_type)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_that_is_no_text_is_a_wrong_one(api: Client) -> None:
    answer = await api.raw(
        b"GET /algorithm/runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Authorization: Bearer \xff\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("token", TOKENS)
async def test_each_token_opens_all_versions(api: Client, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    for version in ("/v1", ""):
        answer = await api.post(f"/algorithm{version}/run/hello-world", BODY, headers=headers)
        assert answer.status == 202


async def test_a_bare_bearer_is_no_obstacle_where_nobody_needs_a_token(world: World) -> None:
    async with world.scheduler() as url:
        answer = await Client(world.session, url).post(
            "/algorithm/v1/run/hello-world", BODY, headers={"Authorization": "Bearer"}
        )
        assert answer.status == 202


async def test_signed_urls_and_probes_need_no_token(api: Client) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[0]}"}
    run = await api.post("/algorithm/run/hello-world", BODY, headers=headers)
    path = f"/algorithm/payload/hello-world/requests/{run.json()['requestId']}"
    payload = await api.get(path, headers=headers)
    assert (await api.get(payload.headers["Location"])).body == b"{}"
    assert (await api.get("/readyz")).status == 200
