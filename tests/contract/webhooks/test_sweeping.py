"""What is past its time, or nobody's, goes; what waits keeps its turn."""

from sqlalchemy import text

from persistence import database
from persistence.deliveries import sweep
from tests.contract.rebuild.hooks import HOOKS, LINES, hook, hooked

TABLES = ("webhook_lines", "webhook_replays", "webhook_deliveries")


def test_rows_of_a_webhook_that_is_no_more_go_and_a_lost_line_comes_back(
    database_url: str,
) -> None:
    engine = database.plain_engine(database_url)

    def count(table: str, where: str) -> int:
        with engine.connect() as connection:
            asked = text(f"SELECT count(*) FROM {table} WHERE {where}")
            return int(connection.execute(asked).scalar_one())

    hooked(engine)
    nobodys, somebodys = f"webhook_id = '{hook(HOOKS)}'", f"webhook_id = '{hook(1)}'"
    with engine.begin() as connection:
        lost = f"DELETE FROM webhook_lines WHERE {somebodys} AND line = 'trip-1'"
        connection.execute(text(lost))
    for table in TABLES:
        assert count(table, nobodys), table
    sweep.sweep(engine, sweep.KEPT_MS + LINES)
    for table in TABLES:
        assert count(table, nobodys) == 0, table
        assert count(table, somebodys), table
    assert count("webhook_lines", somebodys) == LINES
    # What waits stays, however old; of the rest each is past its time.
    assert count("webhook_deliveries", somebodys) == 2 * LINES
    engine.dispose()
