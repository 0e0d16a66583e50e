"""The route that tells the story of a run, to programs and to people."""

from collections.abc import Mapping

from aiohttp import hdrs, web

from nexus_core.domain.story.text import as_text
from nexus_core.web.bodies import json_response
from nexus_core.web.endpoints import Answer, Endpoint
from nexus_scheduler.explain import Explainer
from nexus_scheduler.routes import requests
from nexus_scheduler.wire import RunStory, present_story


class ExplainRoute:
    """Explains runs over HTTP."""

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer

    def endpoint(self, errors: Mapping[int, Answer]) -> Endpoint:
        """Return the endpoint, given how its family tells errors."""
        return Endpoint(
            method="GET",
            path="/explain/{algorithmName}/requests/{requestId}",
            handler=self.explain,
            summary="Ask why a run went as it did",
            description=(
                "What happened to the run, in order: what held it back, what its cluster said, and "
                "what you can do. As text where `Accept` says `text/plain`."
            ),
            answers={200: Answer("The story of the run", RunStory, or_text=True), **errors},
        )

    async def explain(self, request: web.Request) -> web.Response:
        """Tell the story of a run, as JSON or as text."""
        checkpoint, story = await self._explainer.explain(requests.run_key(request))
        if _wants_text(request):
            response = web.Response(text=as_text(checkpoint, story))
        else:
            response = json_response(present_story(checkpoint, story))
        response.headers[hdrs.VARY] = hdrs.ACCEPT
        return response


def _wants_text(request: web.Request) -> bool:
    accepted = request.headers.get(hdrs.ACCEPT, "")
    kinds = [kind.partition(";")[0].strip().lower() for kind in accepted.split(",")]
    # Who names both, as libraries do, is a program.
    return "text/plain" in kinds and "application/json" not in kinds
