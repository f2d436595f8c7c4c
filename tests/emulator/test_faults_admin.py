"""`/__admin`: what it does, and whom it does not serve."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from faults_kit import SEARCH, emulated

from bing_images_async.emulator import Profile

pytestmark = pytest.mark.anyio

ADMIN = "/__admin"


async def test_admin_post_sets_profile_and_faults() -> None:
    async with emulated(admin=True) as (one, emulator):
        await one.post(ADMIN, json={"profile": "free+slow"})
        assert emulator.profile == Profile.named("free+slow")
        await one.post(ADMIN, json={"profile": {"qps": 5, "latency": 0.25, "faults": ["503; every=2"]}})
        assert emulator.profile == Profile(qps=5, latency=0.25, faults="503; every=2")
        state = (await one.post(ADMIN, json={"faults": "401"})).json()
        assert emulator.profile == Profile(qps=5, latency=0.25, faults="401")
        assert Profile.of(state["profile"]) == emulator.profile


async def test_admin_shows_and_clears_the_journal() -> None:
    async with emulated(admin=True, profile=Profile(faults="503; requests=2")) as (one, emulator):
        for _ in range(2):
            await one.get(SEARCH)
        state = (await one.get(ADMIN)).json()
        assert [(entry["status"], entry["fault"]) for entry in state["journal"]] == [(200, None), (503, "503")]
        assert (state["requests"], state["in_flight"]) == (2, 0)
        assert (await one.post(ADMIN, json={"clear": True})).json()["journal"] == []
        assert emulator.profile.faults


@pytest.mark.parametrize(
    "orders",
    [b"{", b"[]", b'{"profil":"free"}', b'{"profile":"fast"}', b'{"profile":5}', b'{"profile":{"qps":-1}}',
     b'{"profile":"free","faults":"earthquake"}', b'{"profile":"free","faults":[1]}', b"\xff"],
)  # fmt: skip
async def test_admin_post_that_is_invalid_changes_nothing(orders: bytes) -> None:
    async with emulated(admin=True) as (one, emulator):
        response = await one.post(ADMIN, content=orders, headers={"Content-Type": "application/json"})
        assert response.status_code == 400
        assert response.json()["error"]
        assert emulator.profile == Profile()


async def test_admin_without_the_setting_is_404() -> None:
    async with emulated() as (one, _):
        assert (await one.get(ADMIN)).status_code == 404


@pytest.mark.parametrize(
    "caller",
    [
        {"address": ("192.0.2.1", 5)},
        {"address": ("::ffff:192.0.2.1", 5)},
        {"base": "http://rebound.example"},
        {"base": "http://127.0.0.1.example"},
    ],
)
async def test_admin_from_another_machine_is_404(caller: dict[str, Any]) -> None:
    """Nor to a web page whose name was made to lead here."""
    async with emulated(admin=True, **caller) as (one, emulator):
        for response in (await one.get(ADMIN), await one.post(ADMIN, json={"profile": "retired"})):
            assert response.status_code == 404
            assert "journal" not in response.text
        assert emulator.profile == Profile()


async def test_admin_through_a_proxy_is_404() -> None:
    async with emulated(admin=True) as (one, _):
        for header in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"):
            assert (await one.get(ADMIN, headers={header: "127.0.0.1"})).status_code == 404


@pytest.mark.parametrize("base", ["http://localhost:80", "http://127.0.0.2", "http://[::1]:9"])
async def test_admin_by_any_loopback_name_is_served(base: str) -> None:
    async with emulated(admin=True, base=base, address=("::1", 5)) as (one, _):
        assert (await one.get(ADMIN)).status_code == 200


async def test_admin_post_of_a_form_is_refused() -> None:
    """Only JSON makes a browser ask first, and it is told no."""
    async with emulated(admin=True) as (one, emulator):
        sent: httpx.Response = await one.post(
            ADMIN, content=b'{"profile":"retired"}', headers={"Content-Type": "text/plain"}
        )
        assert sent.status_code == 415
        assert emulator.profile == Profile()
