"""What Airflow's UI shows of the platform: pages of our own, behind Airflow's login.

Every Airflow process reads this file; FastAPI and the pages are imported by the first request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from mpss_airflow import beginning
from mpss_airflow.vocabulary import PAGES

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class LatePages:
    """The pages as an ASGI application that is made when it is first asked."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        if self._app is None:
            from mpss_airflow.pages.app import make_app

            self._app = make_app()
        await self._app(scope, receive, send)


class MpssPlugin(AirflowPlugin):  # type: ignore[misc] -- Airflow has no types here
    """The pages, and where the UI leads to them."""

    name = "mpss"
    listeners: ClassVar[list[Any]] = [beginning]
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"name": "MPSS pages", "app": LatePages(), "url_prefix": PAGES}
    ]
    external_views: ClassVar[list[dict[str, Any]]] = [
        {
            "name": "MPSS",
            "href": f"{PAGES}/worklist",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "mpss-review",
            "icon": f"{PAGES}/static/heart.svg",
            "icon_dark_mode": f"{PAGES}/static/heart-dark.svg",
        },
        {
            "name": "MPSS book",
            "href": f"{PAGES}/book/index.html",
            "destination": "nav",
            "category": "docs",
        },
        {
            "name": "Cohort and evaluation",
            "href": f"{PAGES}/cohort?run={{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "mpss-cohort",
            "icon": f"{PAGES}/static/heart.svg",
            "icon_dark_mode": f"{PAGES}/static/heart-dark.svg",
        },
    ]
