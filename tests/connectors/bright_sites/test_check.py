from __future__ import annotations

from tests.connectors.conftest import READ_ONLY, Bench
from tests.connectors.support import RecordingGuard, channel_at, free_port


async def test_a_read_write_token_seems_to_be_able_to_write(bench: Bench) -> None:
    found = await bench.shop.check()
    assert (found.reachable, found.may_write) == (True, True)
    assert "seems" in found.sentence
    assert len(bench.calls()) == 2


async def test_a_read_only_token_is_found_out(bench: Bench) -> None:
    shop, _ = bench.with_token(READ_ONLY)
    found = await shop.check()
    assert (found.reachable, found.may_write) == (True, False)
    assert "may only read" in found.sentence


async def test_a_wrong_token_is_told_as_such(bench: Bench) -> None:
    shop, _ = bench.with_token("wrong-token")
    found = await shop.check()
    assert (found.reachable, found.may_write) == (False, False)
    assert "401" in found.sentence


async def test_a_shop_that_fails_on_the_write_leaves_the_question_open(bench: Bench) -> None:
    bench.fault("server_error", method="PUT")
    found = await bench.shop.check()
    assert (found.reachable, found.may_write) == (True, False)
    assert "could not be found out" in found.sentence


async def test_a_shop_that_is_not_there_is_told_as_such(bench: Bench) -> None:
    found = await bench.connectors.open(channel_at(f"127.0.0.1:{free_port()}"), RecordingGuard()).check()
    assert (found.reachable, found.may_write) == (False, False)


async def test_the_check_changes_nothing(bench: Bench) -> None:
    bench.sandbox.shop.buy(1)
    before = len(bench.sandbox.shop.ledger.effects)
    await bench.shop.check()
    assert len(bench.sandbox.shop.ledger.effects) == before
