from cabrank.operate import listing


def test_every_setting_is_listed_with_default_and_meaning() -> None:
    rows = {row["variable"]: row for row in listing.rows({})}
    assert rows["CABRANK_REQUEST_TTL_S"]["default"] == "300"
    assert all(row["meaning"] for row in rows.values())
    assert all(row["current"] is None for row in rows.values())


def test_what_is_set_is_shown() -> None:
    text = listing.table({"CABRANK_REQUEST_TTL_S": "7"})
    assert "CABRANK_REQUEST_TTL_S  (default: 300)  now: 7\n" in text


def test_passwords_are_not_shown() -> None:
    text = listing.table({"CABRANK_DATABASE_URL": "postgresql://me:secret@host/db"})
    assert "postgresql://me:***@host/db" in text
    assert "secret" not in text
