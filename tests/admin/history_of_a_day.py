"""What the sweepers would have counted in a day and a bit, made up, for pictures and for tests of the charts."""

import datetime as dt
import math
import random
import uuid
from collections.abc import Sequence

from sqlalchemy import insert

from akount.db import Database, now
from akount.distributions import Distribution
from akount.history import HOUR, MINUTE, QUARTER
from akount.kinds import QUEUES
from akount.models import HistoryRow


def fill(database: Database, tenants: Sequence[uuid.UUID] = ()) -> None:
    """Rows of every resolution, for all tenants together, and those of the last minute and hours for some of them."""
    dice = random.Random(11)
    rows = [
        _row(dice, queue, minutes, place)
        for queue in QUEUES
        for minutes, count in ((MINUTE, 70), (QUARTER, 110), (HOUR, 24 * 31))
        for place in range(count)
    ]
    for number, tenant in enumerate(tenants, 2):
        few = [_row(dice, QUEUES[0], MINUTE, 0), *(_row(dice, QUEUES[0], HOUR, place) for place in range(20))]
        rows += [row | {"tenant_id": tenant, "failed": number, "waiting": 12 * number, "delayed": number} for row in few]
    with database.transaction() as session:
        session.execute(insert(HistoryRow), [{"tenant_id": None} | row for row in rows])


def _row(dice: random.Random, queue: str, minutes: int, place: int) -> dict:
    at = now().replace(second=0, microsecond=0)
    at -= dt.timedelta(minutes=(at.hour * 60 + at.minute) % minutes + minutes * place)
    busy = 1 + math.sin(at.hour / 24 * 2 * math.pi - 1.9) + (2.2 if 18 < place < 26 else 0)
    completed = int(dice.gauss(14, 3) * busy * minutes**0.9 * (1 if queue == QUEUES[0] else 0.4))
    failed = int(max(0, dice.gauss(0.4, 0.9)) * minutes**0.8 * busy)
    waits, runs = Distribution(), Distribution()
    for _ in range(30):
        waits.add(abs(dice.gauss(2.2 * busy, 2)))
        runs.add(abs(dice.gauss(1.6, 0.7)) + 0.2)
    return {
        "minutes": minutes,
        "at": at,
        "queue": queue,
        "completed": max(0, completed),
        "failed": failed,
        "retried": 0,
        "lost": 0,
        "waits": waits.as_json(),
        "runs": runs.as_json(),
        "waiting": 3,
        "delayed": 1,
        "active": 2,
        "dead": 10,
        "oldest_wait": 4 + busy * 6,
    }
