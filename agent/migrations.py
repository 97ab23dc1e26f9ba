"""The tables of the file of conversations, version by version.

``folded`` is `agent.conversations.folded`.
"""

from __future__ import annotations

# Applied in order, each once; `PRAGMA user_version` counts those applied. Never edit one that was released.
MIGRATIONS = (
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        index_name TEXT NOT NULL,
        model TEXT NOT NULL,
        created TEXT NOT NULL,
        updated TEXT NOT NULL
    );
    CREATE TABLE turns (
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        turn TEXT NOT NULL,
        PRIMARY KEY (conversation, number)
    );
    """,
    """
    CREATE TABLE in_hand (
        conversation TEXT PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
        turn TEXT NOT NULL
    );
    """,
    # What people said of tiles, oldest first (agent/labels.py); the last word on a tile counts.
    """
    CREATE TABLE verdicts (
        number INTEGER PRIMARY KEY,
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        search TEXT NOT NULL,
        tile TEXT NOT NULL,
        verdict TEXT NOT NULL,
        layer TEXT NOT NULL,
        view TEXT NOT NULL,
        time TEXT NOT NULL
    );
    CREATE INDEX verdicts_of_a_conversation ON verdicts (conversation, number);
    """,
    """
    ALTER TABLE conversations ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    CREATE TABLE said (
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        words TEXT NOT NULL,
        PRIMARY KEY (conversation, number)
    );
    INSERT INTO said
        SELECT conversation, number,
            folded(
                coalesce(json_extract(turn, '$.question'), '') || ' '
                || coalesce(json_extract(turn, '$.answer'), '')
            )
        FROM turns WHERE json_valid(turn);
    CREATE VIEW listed AS
        SELECT id, title, index_name, model, created, updated,
            (SELECT count(*) FROM turns WHERE conversation = id)
            + (SELECT count(*) FROM in_hand WHERE conversation = id) AS asked,
            owner
        FROM conversations;
    """,
    # Pages that may be read by whoever has a link (agent/links.py); of its token only the hash.
    """
    CREATE TABLE links (
        hash TEXT PRIMARY KEY,
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        made TEXT NOT NULL,
        questions INTEGER NOT NULL,
        page BLOB NOT NULL
    );
    CREATE INDEX links_of_a_conversation ON links (conversation, made);
    """,
)
